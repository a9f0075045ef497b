import SparsePrefill

/// The analysis settings that a person named, as texts; all others take their defaults.
package struct AnalysisRequest: Sendable, Equatable {
    package private(set) var texts: [Key: String] = [:]

    package init() {}

    /// Keys of a job file's `analysis:` block; with hyphens, the flags.
    package enum Key: String, CaseIterable, Sendable {
        case frames, sampling, resize
        case noCache = "no_cache"
        case model, dtype, weights
        case maxNewTokens = "max_new_tokens"
        case seed, method

        // Which tokens a layer attends.
        case tau
        case thresholdRule = "p_rule"
        case select, norm, probes
        case probeRule = "probe_rule"
        case ratio
        case qkRatio = "qk_ratio"
        case selectBucket = "select_bucket"

        // What happens to the others.
        case rows, ffn
        case retireAfter = "retire_after"
        case denseBelow = "dense_below"
        case denseLayers = "dense_layers"

        // The other methods.
        case fastvLayer = "fastv_layer"
        case fastvDrop = "fastv_drop"
        case minference = "minference_config"
        case hiredBudget = "hired_budget"

        // With every method.
        case premerge
        case premergeRate = "premerge_rate"
        case kv
        case zipcacheSalient = "zipcache_salient"
        case kvGuard = "kv_guard"

        package var flag: String { "--" + rawValue.replacing("_", with: "-") }

        /// The method's parameter of this name; `nil` for what every method uses.
        var parameter: PrefillConfiguration.Parameter? {
            .init(rawValue: rawValue.replacing("_", with: "-"))
        }
    }

    /// Names one value, as a flag or a job file gives it.
    ///
    /// - Throws: for a text that is no such value, and for a file that cannot be used
    package mutating func set(_ key: Key, to text: String) throws(AnalysisError) {
        var options = AnalysisOptions()
        try options.set(key, to: text)
        texts[key] = text
    }

    /// This request's values, and the other's where it has none.
    package func filled(from other: AnalysisRequest) -> AnalysisRequest {
        var result = self
        result.texts.merge(other.texts) { own, _ in own }
        return result
    }

    /// `embedded` or a directory.
    package var model: String? { texts[.model] }

    package var frames: Int? {
        get { texts[.frames].flatMap { Int($0) } }
        set { texts[.frames] = newValue.map { "\($0)" } }
    }
}

/// A setting that cannot be used: a wrong value, or one that the chosen method would ignore.
package struct AnalysisError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
