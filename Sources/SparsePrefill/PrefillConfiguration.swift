/// A method and its parameters, as a job stores them. Names and meanings are those of the papers; which
/// parameter belongs to which method is said by `Parameter.isUsed(by:)`.
package struct PrefillConfiguration: Codable, Sendable, Hashable {
    package var method: PrefillMethod

    // Which tokens a layer attends (zipvl, fixed, qk-sparse).
    /// Attention threshold of ZipVL, in (0, 1].
    package var tau: Double
    package var thresholdRule = ThresholdRule.raw
    package var select = TokenChoice.scores
    package var norm = ScoreNormalization.exact
    package var probesRecent: Int
    package var probesRandom: Int
    package var probeRule = ProbeRule.random
    /// Share of the tokens that `fixed` keeps in every layer.
    package var ratio = 0.421
    /// Share of the queries and keys that `qk-sparse` keeps in every head.
    package var qkRatio = 0.73
    package var selectBucket: Int

    // What happens to the others (zipvl, fixed).
    package var rows = RowRule.zero
    package var ffn = FeedForwardRule.all
    /// A visual token that was not selected in this many layers running leaves for good; 0 is never.
    package var retireAfter = 0
    package var denseBelow: Int
    package var denseLayers: [Int] = []

    // The other methods.
    /// K of FastV: the layers before it see all tokens.
    package var fastvLayer = 2
    /// R of FastV: the share of visual tokens that is dropped.
    package var fastvDrop = 0.5
    /// One pattern for each head of each layer; `nil` gives every head MInference's default.
    package var minference: MInferencePatterns?
    /// Share of each frame's tokens that `hired` keeps.
    package var hiredBudget = 0.2

    // With every method.
    package var premerge = Premerge.none
    /// Share of the visual tokens that the pre-merge drops.
    package var premergeRate = 0.5
    package var kv: KVRetention
    /// Share of the entries that `zipcache` keeps in four bits.
    package var zipcacheSalient = 0.6
    /// First and last layers whose cache is not quantised.
    package var kvGuard = 2
    package var seed: UInt64

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
        self.kv = kv ?? .standard(for: method)
        self.denseBelow = denseBelow
        self.selectBucket = selectBucket
    }

    package func makePolicy() -> any PrefillPolicy {
        switch method {
        case .full: FullPrefill()
        case .zipvl: ZipVLPrefill(threshold: tokenThreshold, selected: selectedAttention)
        case .fixed: FixedRatioPrefill(ratio: ratio, selected: selectedAttention)
        case .fastv: FastVPrefill(filterLayer: fastvLayer, dropRate: fastvDrop)
        case .minference:
            MInferencePrefill(
                patterns: minference ?? MInferencePatterns(), denseLayers: denseLayers)
        case .qkSparse:
            QKSparsePrefill(ratio: qkRatio, probes: probes, norm: norm, denseLayers: denseLayers)
        case .hired: HiREDPrefill(budget: hiredBudget)
        }
    }

    private var probes: ProbeRows {
        ProbeRows(recent: probesRecent, random: probesRandom, seed: seed, rule: probeRule)
    }

    private var tokenThreshold: TokenThreshold {
        TokenThreshold(tau: tau, rule: thresholdRule, select: select, seed: seed)
    }

    private var selectedAttention: SelectedAttention {
        SelectedAttention(
            probes: probes, norm: norm, rows: rows, ffn: ffn, retention: kv,
            denseBelow: denseBelow, denseLayers: denseLayers, bucket: selectBucket)
    }

    package var retirement: Retirement? {
        retireAfter > 0 ? Retirement(after: retireAfter) : nil
    }

    package var visualMerge: EVSPremerge? {
        premerge == .evs ? EVSPremerge(rate: premergeRate) : nil
    }
}
