extension PrefillConfiguration {
    /// The parameters by their names on the command line.
    package enum Parameter: String, CaseIterable, Sendable {
        case tau
        case thresholdRule = "p-rule"
        case select, norm, probes
        case probeRule = "probe-rule"
        case ratio
        case qkRatio = "qk-ratio"
        case selectBucket = "select-bucket"
        case rows, ffn
        case retireAfter = "retire-after"
        case denseBelow = "dense-below"
        case denseLayers = "dense-layers"
        case fastvLayer = "fastv-layer"
        case fastvDrop = "fastv-drop"
        case minference = "minference-config"
        case hiredBudget = "hired-budget"
        case zipcacheSalient = "zipcache-salient"
        case kvGuard = "kv-guard"
        case premergeRate = "premerge-rate"

        /// Whether the parameter changes anything in a run of this configuration.
        package func isUsed(by c: PrefillConfiguration) -> Bool {
            switch self {
            case .tau, .thresholdRule, .select: c.method == .zipvl
            case .norm, .probes, .probeRule: c.method.usesProbes
            case .ratio: c.method == .fixed
            case .qkRatio: c.method == .qkSparse
            case .selectBucket, .rows, .ffn, .retireAfter, .denseBelow: c.method.selectsTokens
            case .denseLayers: c.method.usesProbes || c.method == .minference
            case .fastvLayer, .fastvDrop: c.method == .fastv
            case .minference: c.method == .minference
            case .hiredBudget: c.method == .hired
            case .zipcacheSalient: c.kv == .zipcache
            case .kvGuard: c.kv.isQuantized
            case .premergeRate: c.premerge != .none
            }
        }
    }

    /// What is wrong with the parameters, in the words of the command line; `nil` when nothing is.
    package func problem() -> String? {
        for (name, value) in [
            ("tau", tau), ("ratio", ratio), ("qk-ratio", qkRatio), ("hired-budget", hiredBudget),
        ] where !(value > 0 && value <= 1) {
            return "\(name) must be in (0, 1], not \(value)"
        }
        for (name, value) in [("fastv-drop", fastvDrop), ("premerge-rate", premergeRate)]
        where !(value >= 0 && value < 1) {
            return "\(name) must be in [0, 1), not \(value)"
        }
        if !(0...1).contains(zipcacheSalient) {
            return "zipcache-salient must be in [0, 1], not \(zipcacheSalient)"
        }
        if probesRecent < 1 {
            return "at least one recent probe row is needed, not \(probesRecent)"
        }
        if probesRandom < 0 { return "random probe rows cannot be \(probesRandom)" }
        if denseBelow < 0 { return "dense-below cannot be \(denseBelow)" }
        if selectBucket < 1 { return "select-bucket must be at least 1, not \(selectBucket)" }
        if retireAfter < 0 { return "retire-after cannot be \(retireAfter)" }
        if kvGuard < 0 { return "kv-guard cannot be \(kvGuard)" }
        if fastvLayer < 1 { return "fastv-layer must be at least 1, not \(fastvLayer)" }
        if let layer = denseLayers.first(where: { $0 < 0 }) {
            return "dense-layers counts from 0; there is no layer \(layer)"
        }
        if rows == .keys, ffn == .kept {
            return "rows keys and ffn kept exclude each other: a skipped row cannot attend"
        }
        if !method.selectsTokens, kv == .discard || kv == .mixed {
            return "kv \(kv.rawValue) needs the tokens that zipvl or fixed select; "
                + "method \(method.rawValue) takes full or zipcache"
        }
        return nil
    }
}
