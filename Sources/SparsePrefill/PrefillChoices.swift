/// The methods a job may name.
package enum PrefillMethod: String, Codable, Sendable, CaseIterable {
    case full, zipvl, fixed, fastv, minference
    case qkSparse = "qk-sparse"
    case hired
}

/// What the accumulated score of a token is divided by before tokens are ranked.
package enum ScoreNormalization: String, Codable, Sendable, CaseIterable {
    /// The number of probe rows that see the token (ZipVL Eq. 7).
    case exact
    /// n - j, all rows that see token j, as ZipCache's code does.
    case zipcache
}

/// How many tokens hold the share tau of the attention.
package enum ThresholdRule: String, Codable, Sendable, CaseIterable {
    /// Counted on the scores as they are (ZipVL Eq. 6); the ranking of Eq. 8 may choose others, which
    /// hold less.
    case raw
    /// Counted along the ranking itself, so that the chosen tokens hold it.
    case corrected
}

/// Where the probe rows that are not the most recent ones come from.
package enum ProbeRule: String, Codable, Sendable, CaseIterable {
    /// Drawn from all earlier rows.
    case random
    /// One from each of equal slices of the earlier rows.
    case stratified
    /// The recent rows are the question's text only; the rest are drawn from everything before it.
    case question
}

/// Which p tokens are taken.
package enum TokenChoice: String, Codable, Sendable, CaseIterable {
    case scores
    /// Drawn by the seed: the control that shows what the scores are worth.
    case random
}

/// What attention gives to tokens that were not selected.
package enum RowRule: String, Codable, Sendable, CaseIterable {
    /// Nothing: they pass through the residual (ZipVL Algorithm 1).
    case zero
    /// They attend to the selected tokens before them.
    case keys
}

/// On which tokens the feed-forward layer runs.
package enum FeedForwardRule: String, Codable, Sendable, CaseIterable {
    case all
    /// On the attended ones; the others skip the whole layer.
    case kept
}

/// What a prefill leaves in the KV cache.
package enum KVRetention: String, Codable, Sendable, CaseIterable {
    /// Everything that the layer saw, in the run's element type.
    case full
    /// Unselected tokens are dropped layer by layer (ZipVL v2).
    case discard
    /// Selected tokens in four bits, the others in two (ZipVL v1).
    case mixed
    /// A fixed share of each KV head's entries in four bits, the others in two (ZipCache).
    case zipcache

    package static func standard(for method: PrefillMethod) -> KVRetention {
        method.selectsTokens ? .discard : .full
    }

    package var isQuantized: Bool { self == .mixed || self == .zipcache }

    /// Whether a layer's cache is quantised; this many layers at each end are not.
    package func quantizes(layer: Int, of layerCount: Int, guardLayers: Int) -> Bool {
        isQuantized && layer >= guardLayers && layer < layerCount - guardLayers
    }
}

/// What is done to the visual tokens before any method sees them.
package enum Premerge: String, Codable, Sendable, CaseIterable {
    case none
    /// Tokens that repeat the previous frame are dropped (Efficient Video Sampling).
    case evs
}

extension PrefillMethod {
    /// Chooses one set of tokens for each layer.
    package var selectsTokens: Bool { self == .zipvl || self == .fixed }
    /// Scores tokens by probe rows.
    package var usesProbes: Bool { selectsTokens || self == .qkSparse }
}
