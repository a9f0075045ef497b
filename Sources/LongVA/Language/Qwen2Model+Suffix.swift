package import SparsePrefill
package import Torch

extension Qwen2Model {
    /// What the first rows of a prompt leave in the decoder, for any number of prompts that begin with
    /// them.
    package struct Prefix {
        /// By layer.
        let entries: [SuffixPrefill.Entries]
        /// Original positions of the rows.
        let positions: [Int]
        /// The embeddings and each layer's output, where they were asked for.
        let hidden: [Tensor]

        package var byteCount: Int {
            get throws {
                try entries.reduce(0) {
                    $0 + 2 * $1.keys.count * (try $1.keys.dtype().byteCount)
                }
            }
        }
    }

    /// The first rows of a prompt through all layers, densely.
    ///
    /// - Parameters:
    ///   - embeddings: [1, P, D]
    ///   - positions: original position of each row, ascending.
    ///   - keepsHidden: for a trace.
    package func prefix(
        _ embeddings: Tensor, positions: [Int], keepsHidden: Bool = false,
        profile: PrefillProfile? = nil, observe: (Int) throws -> Void = { _ in }
    ) throws -> Prefix {
        let rows = embeddings.shape[1]
        let prompt = Prompt(
            embeddings: embeddings, layout: PromptLayout(count: rows, visual: 0..<0),
            positions: positions, promptTokens: rows)
        var cache = KVCache(room: 0, plan: .plain(layerCount: layers.count))
        var hidden: [Tensor] = []
        _ = try prefill(
            prompt, plan: PrefillPlan(policy: FullPrefill()), cache: &cache, profile: profile
        ) { layer, x in
            if keepsHidden { hidden.append(try x()) }
            try observe(layer)
        }
        return Prefix(entries: try cache.entries(), positions: positions, hidden: hidden)
    }

    /// The rest of a prompt after its prefix: the same logits, cache and reports as those of the whole
    /// prompt by `FullPrefill`, but for rounding.
    ///
    /// - Parameters:
    ///   - embeddings: [1, S, D]
    ///   - positions: original positions of the S rows.
    ///   - promptTokens: n with all visual tokens.
    ///   - observe: as of `prefill`; the rows are those of the whole prompt where the prefix kept its
    ///     own, else the last S.
    package func prefill(
        after prefix: Prefix, _ embeddings: Tensor, positions: [Int], promptTokens: Int,
        cache: inout KVCache,
        observe: (Int, () throws -> Tensor) throws -> Void = { _, _ in }
    ) throws -> (logits: Tensor, reports: [LayerReport]) {
        let rows = embeddings.shape[1]
        let policy = try SuffixPrefill(
            prefix: prefix.entries, rows: rows, geometry: geometry, on: embeddings.device())
        let prompt = Prompt(
            embeddings: embeddings, layout: PromptLayout(count: rows, visual: 0..<0),
            positions: positions, promptTokens: promptTokens)
        let (logits, _) = try prefill(
            prompt, plan: PrefillPlan(policy: policy), cache: &cache
        ) { layer, x in
            guard !prefix.hidden.isEmpty else { return try observe(layer, x) }
            try observe(layer) {
                try Tensor.concatenated([prefix.hidden[layer], x()], axis: 1)
            }
        }
        // What the method computes for a job by itself.
        let all = prefix.positions + positions
        let report = LayerReport.dense(all.count)
        return (
            logits,
            [LayerReport](
                repeating: all.count == promptTokens ? report : report.located(at: all),
                count: layers.count)
        )
    }
}

extension KVCachePlan {
    /// Everything, in the run's element type.
    static func plain(layerCount: Int) -> KVCachePlan {
        KVCachePlan(PrefillConfiguration(method: .full), layerCount: layerCount)
    }
}

extension KVCache {
    /// Keys and values of every layer, which must not be quantised.
    func entries() throws -> [SuffixPrefill.Entries] {
        try layers.map { layer in
            guard case .plain(let entries) = layer else {
                throw ModelError(.configuration, "a quantised cache has no plain entries")
            }
            let (keys, values) = try entries.entries()
            return SuffixPrefill.Entries(keys: keys, values: values)
        }
    }
}
