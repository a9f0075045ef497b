import SparsePrefill

/// One line of `zipvl-bench prefill`.
struct DecoderLine: Encodable {
    let benchmark = "prefill"
    let device: String
    let method: String
    let tau: Double?
    let tokens: Int
    let runs: Int
    let prefill_ms_median: Double
    let prefill_ms_min: Double
    let prefill_ms_max: Double
    let ratio_to_full: Double
    /// Mean over layers; null for methods that choose pairs.
    let kept_token_ratio_mean: Double?
    /// Pairs that attention computed, of those of full attention.
    let attn_pairs_pct: Double
    let attn_flops_saved_pct: Double
    let llm_flops_saved_pct: Double
    let peak_memory_mib: Int?
    let peak_memory_ratio_to_full: Double?
    /// Shares of this method's own prefill time.
    let attention_pct: Double
    let probe_pct: Double
    let select_gather_scatter_pct: Double
    let torch: String

    init(
        _ plan: DecoderRun.Plan, _ result: DecoderRun.Result, _ times: Measurement,
        full: Measurement, fullPeak: Int?, tokens n: Int, device: String, torch: String
    ) {
        self.device = device
        self.torch = torch
        method = plan.name
        tau = plan.configuration.method == .zipvl ? plan.configuration.tau : nil
        tokens = n
        runs = times.count
        prefill_ms_median = times.median
        prefill_ms_min = times.least
        prefill_ms_max = times.most
        ratio_to_full = times.median / full.median
        let reports = result.reports
        let layers = Double(max(reports.count, 1))
        let choosesPairs = reports.contains { $0.paperShare != nil }
        kept_token_ratio_mean =
            choosesPairs ? nil : reports.reduce(0) { $0 + Double($1.attended) } / layers / Double(n)
        attn_pairs_pct =
            100 * reports.reduce(0) { $0 + $1.pairs } / (layers * LayerReport.visiblePairs(n))
        attn_flops_saved_pct =
            100 * (1 - result.ledger.attentionUsed / result.ledger.attentionDense)
        llm_flops_saved_pct = 100 * (1 - result.ledger.decoderUsed / result.ledger.decoderDense)
        peak_memory_mib = result.peakBytes.map { $0 >> 20 }
        peak_memory_ratio_to_full =
            result.peakBytes.flatMap { peak in fullPeak.map { Double(peak) / Double($0) } }
        func percent(_ stages: PrefillProfile.Stage...) -> Double {
            100 * stages.reduce(0) { $0 + result.profile.milliseconds($1) } / result.milliseconds
        }
        attention_pct = percent(.attention)
        probe_pct = percent(.probe)
        select_gather_scatter_pct = percent(.select, .gather, .scatter)
    }
}
