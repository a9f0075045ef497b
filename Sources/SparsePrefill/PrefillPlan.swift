import Torch

/// Everything that decides about one prefill: the method, what goes before it and what follows it.
package struct PrefillPlan: Sendable {
    package let policy: any PrefillPolicy
    package let premerge: EVSPremerge?
    package let retirement: Retirement?
    package let kv: KVRetention
    /// Share of the entries that `zipcache` keeps in four bits.
    private let zipcacheSalient: Double
    /// First and last layers whose cache is not quantised.
    private let kvGuard: Int
    private let seed: UInt64

    package init(_ configuration: PrefillConfiguration) {
        self.init(
            policy: configuration.makePolicy(), premerge: configuration.visualMerge,
            retirement: configuration.retirement, kv: configuration.kv,
            zipcacheSalient: configuration.zipcacheSalient, kvGuard: configuration.kvGuard,
            seed: configuration.seed)
    }

    /// A policy by itself.
    package init(
        policy: any PrefillPolicy, premerge: EVSPremerge? = nil, retirement: Retirement? = nil,
        kv: KVRetention = .full, zipcacheSalient: Double = 0.6, kvGuard: Int = 2,
        seed: UInt64 = 0
    ) {
        self.policy = policy
        self.premerge = premerge
        self.retirement = retirement
        self.kv = kv
        self.zipcacheSalient = zipcacheSalient
        self.kvGuard = kvGuard
        self.seed = seed
    }

    /// The visual tokens that enter the decoder, ascending; `nil` is all.
    package func chooseVisualTokens(_ visual: VisualTokens) throws -> [Int]? {
        let merged = try premerge?.kept(visual.tokens, tokensPerFrame: visual.tokensPerFrame)
        let candidates = merged.map(visual.limited) ?? visual
        return try policy.chooseVisualTokens(candidates) ?? merged
    }

    /// Entries of the cache that are stored in four bits, ascending: one list for all KV heads or one
    /// for each; `nil` where the cache is not quantised. What finding them computes is added to the
    /// report.
    package func salient(
        _ attention: inout LayerAttention, _ projections: LayerProjections,
        in context: LayerContext
    ) throws -> [[Int]]? {
        let (layer, layers) = (context.layer, context.layerCount)
        switch kv {
        case _ where !kv.quantizes(layer: layer, of: layers, guardLayers: kvGuard): return nil
        case .full, .discard: return nil
        // Entries are counted as rows: a policy that caches only some has chosen already.
        case _ where attention.cachedRows != nil: return [Array(0..<attention.keys.shape[2])]
        case .mixed:
            try attention.complete()
            return [attention.report.kept ?? Array(0..<context.layout.count)]
        case .zipcache:
            let choice = try ZipCacheSaliency.salient(
                projections: projections, context: context, share: zipcacheSalient, seed: seed,
                keys: attention.keys)
            attention.report.rows.query += choice.probeRows.count
            attention.report.probePairs += choice.probeRows.reduce(0) { $0 + Double($1 + 1) }
            return choice.byHead
        }
    }
}
