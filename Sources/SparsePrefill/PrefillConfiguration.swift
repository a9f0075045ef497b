/// The methods a job may name.
package enum PrefillMethod: String, Codable, Sendable, CaseIterable {
    case full, zipvl
}

/// A method and its parameters, as a job stores them.
package struct PrefillConfiguration: Codable, Sendable, Hashable {
    package var method: PrefillMethod
    /// Attention threshold of ZipVL, in (0, 1].
    package var tau: Double
    package var probesRecent: Int
    package var probesRandom: Int
    package var seed: UInt64
    package var kv: KVRetention
    package var denseBelow: Int
    package var selectBucket: Int

    package init(
        method: PrefillMethod = .zipvl, tau: Double = 0.975, probesRecent: Int = 64,
        probesRandom: Int = 64, seed: UInt64 = 0, kv: KVRetention? = nil, denseBelow: Int = 0,
        selectBucket: Int = 1
    ) {
        self.method = method
        self.tau = tau
        self.probesRecent = probesRecent
        self.probesRandom = probesRandom
        self.seed = seed
        self.kv = kv ?? (method == .full ? .full : .discard)
        self.denseBelow = denseBelow
        self.selectBucket = selectBucket
    }

    /// What is wrong with the parameters, in the words of the command line; `nil` when nothing is.
    package func problem() -> String? {
        if !(tau > 0 && tau <= 1) { return "tau must be in (0, 1], not \(tau)" }
        if probesRecent < 1 {
            return "at least one recent probe row is needed, not \(probesRecent)"
        }
        if probesRandom < 0 { return "random probe rows cannot be \(probesRandom)" }
        if denseBelow < 0 { return "dense-below cannot be \(denseBelow)" }
        if selectBucket < 1 { return "select-bucket must be at least 1, not \(selectBucket)" }
        if method == .full, kv != .full {
            return "method full keeps the full KV cache, not \(kv.rawValue)"
        }
        return nil
    }

    package func makePolicy() -> any PrefillPolicy {
        switch method {
        case .full: FullPrefill()
        case .zipvl:
            ZipVLPrefill(
                attentionThreshold: tau,
                probes: ProbeRows(recent: probesRecent, random: probesRandom, seed: seed),
                retention: kv, denseBelow: denseBelow, selectionBucket: selectBucket)
        }
    }
}
