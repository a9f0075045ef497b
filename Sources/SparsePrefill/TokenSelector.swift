import Torch

/// The tokens that one layer attends.
struct SelectedTokens {
    let rows: RowList
    /// The same as int64 [T].
    let tensor: Tensor
    /// The rows that scored them.
    let probeRows: [Int]
    /// Whether `describe` waits for the device.
    let isDeferred: Bool
    /// Adds scores, kept rows and the mass that they hold to the layer's report.
    let describe: (inout LayerReport) throws -> Void
}

/// Scores all tokens by the probe rows and chooses: by kernels where there are some, so that nothing but
/// the number of tokens comes to the host while layers are queued, else on the host.
struct TokenSelector {
    let quota: TokenQuota
    let probes: ProbeRows
    let norm: ScoreNormalization
    let bucket: Int

    /// - Parameter keys: of all tokens, [1, Hkv, n, d].
    func select(
        keys: Tensor, _ projections: LayerProjections, in context: LayerContext
    ) throws -> SelectedTokens {
        if let quota = quota.onDevice, let device = try Kernels.device(keys) {
            return try select(keys, projections, context, quota, device)
        }
        let device = try keys.device()
        let probeRows = probes.rows(of: context.layout, layer: context.layer)
        let accumulated = try context.profile.measure(.probe) {
            try TokenSaliency.scores(
                probeQueries: projections.queries(Tensor(probeRows, on: device)), keys: keys,
                probeRows: probeRows)
        }
        let selection = context.profile.measure(.select) {
            let scores = TokenScores(accumulated, probeRows: probeRows, norm: norm)
            let choice = quota.choice(scores, layer: context.layer)
            return TokenSelection(
                chosen: choice.rows, least: choice.least, scores: scores, layout: context.layout,
                bucket: bucket)
        }
        return SelectedTokens(
            rows: .known(selection.kept), tensor: try Tensor(selection.kept, on: device),
            probeRows: probeRows, isDeferred: false
        ) { report in
            report.massKept = selection.massKept
            report.scores = accumulated
            report.kept = selection.kept
        }
    }

    private func select(
        _ keys: Tensor, _ projections: LayerProjections, _ context: LayerContext,
        _ quota: RowSelectionRule.Quota, _ device: CUDADevice
    ) throws -> SelectedTokens {
        let workspace = context.workspace ?? PrefillWorkspace()
        let selector = try workspace.selector(on: device, layers: context.layerCount)
        let probe = try workspace.probeRows(probes, in: context, on: keys.device())
        let queries = try projections.queries(probe.tensor)  // [1, H, m, d]
        let sums = try context.profile.measure(.probe) {
            try TokenSaliency.sums(
                probeQueries: queries, keys: keys, probeRows: probe.rows, rows: probe.tensor,
                finished: workspace.finished(on: keys.device()))
        }
        let selected = try context.profile.measure(.select) {
            try selector.select(
                sums: sums, heads: queries.shape[1], probeRows: probe.tensor,
                rule: RowSelectionRule(
                    quota: quota, ranksBySeen: norm == .exact, bucket: bucket,
                    droppable: context.layout.droppable))
        }
        return SelectedTokens(
            rows: .onDevice(selected.rows), tensor: selected.rows, probeRows: probe.rows,
            isDeferred: true
        ) { report in
            let read = try selected.read()
            report.massKept = selected.massKept
            report.scores = read.scores
            report.kept = read.kept
        }
    }
}
