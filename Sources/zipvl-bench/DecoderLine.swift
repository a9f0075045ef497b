import SparsePrefill
import Torch

/// One line of `zipvl-bench prefill`.
struct DecoderLine: Encodable {
    let benchmark = "prefill"
    let shape: String
    let device: String
    let device_name: String
    let torch: String
    let weights: String
    let kernels: String
    let method: String
    let tau: Double?
    let tokens: Int
    let runs: Int
    let prefill_ms_median: Double
    let prefill_ms_min: Double
    let prefill_ms_max: Double
    /// Medians; full with the same weights, and full with weights as they are.
    let ratio_to_full: Double
    let ratio_to_full_as_is: Double?
    /// Mean over layers; null for methods that choose pairs.
    let kept_token_ratio_mean: Double?
    let kept_token_ratio_rms: Double?
    /// How the wanted shares came about: by planted columns, or by one tau found for the mean.
    let ratio_by: String?
    let schedule: String?
    let wanted_ratio_mean: Double?
    let wanted_ratio_rms: Double?
    /// Of a layer from its wanted share, relative, before rounding up to a bucket.
    let calibration_deviation: Double?
    let select_bucket: Int?
    /// Pairs that attention computed, of those of full attention.
    let attn_pairs_pct: Double
    let attn_flops_saved_pct: Double
    let llm_flops_saved_pct: Double
    /// All that the process held: weights, CUDA's context, prefill. On the CPU resident memory of this process.
    let peak_memory_mib: Int?
    let peak_memory_above_start_mib: Int?
    let peak_memory_ratio_to_full: Double?
    /// Shares of this method's own prefill time; on a GPU, where work is queued, not told.
    let attention_pct: Double?
    let probe_pct: Double?
    let select_gather_scatter_pct: Double?
    let floor_ms: Double?
    let floor_gemm_ms: Double?
    let floor_attention_ms: Double?
    let floor_bytes_ms: Double?
    let share_of_floor: Double?

    /// What the lines of one length have in common.
    struct Setting {
        let shape: ModelShape
        let machine: LoadedMachine
        let kernels: KernelSwitch
        let tokens: Int
        let roofline: Roofline?
    }

    struct Run {
        let variant: PrefillVariant
        let deviation: Double?
        var times = Measurement()
        var result: DecoderRun.Result?
        var memory: MemoryBenchmark.Line?

        var peakBytes: Int? { memory?.peak_bytes ?? result?.peakBytes }
    }

    init(_ run: Run, _ result: DecoderRun.Result, full: Run?, fullAsIs: Run?, _ setting: Setting) {
        let (variant, times, n) = (run.variant, run.times, setting.tokens)
        shape = setting.shape.name
        device = setting.machine.place.description
        device_name = setting.machine.deviceName
        torch = setting.machine.torch
        weights = variant.weights.rawValue
        kernels = setting.kernels.rawValue
        method = variant.name
        tau = variant.configuration.method == .zipvl ? variant.configuration.tau : nil
        tokens = n
        runs = times.count
        prefill_ms_median = times.median
        prefill_ms_min = times.least
        prefill_ms_max = times.most
        ratio_to_full = times.median / (full?.times.median ?? .nan)
        ratio_to_full_as_is = fullAsIs.map { times.median / $0.times.median }
        let reports = result.reports
        let layers = Double(max(reports.count, 1))
        let choosesPairs = reports.contains { $0.paperShare != nil }
        func mean(_ shares: [Double]) -> Double { shares.reduce(0, +) / layers }
        func rms(_ shares: [Double]) -> Double {
            (shares.reduce(0) { $0 + $1 * $1 } / layers).squareRoot()
        }
        kept_token_ratio_mean = choosesPairs ? nil : mean(result.shares(n))
        kept_token_ratio_rms = choosesPairs ? nil : rms(result.shares(n))
        ratio_by =
            variant.configuration.method != .zipvl
            ? nil : variant.shares == nil ? "tau" : "planted columns"
        schedule = variant.schedule?.rawValue
        wanted_ratio_mean = variant.shares.map(mean)
        wanted_ratio_rms = variant.shares.map(rms)
        calibration_deviation = run.deviation
        select_bucket =
            variant.configuration.method.selectsTokens ? variant.configuration.selectBucket : nil
        attn_pairs_pct =
            100 * reports.reduce(0) { $0 + $1.pairs } / (layers * LayerReport.visiblePairs(n))
        attn_flops_saved_pct =
            100 * (1 - result.ledger.attentionUsed / result.ledger.attentionDense)
        llm_flops_saved_pct = 100 * (1 - result.ledger.decoderUsed / result.ledger.decoderDense)
        peak_memory_mib = run.peakBytes.map { $0 >> 20 }
        peak_memory_above_start_mib = run.memory.map { $0.above_start_bytes >> 20 }
        peak_memory_ratio_to_full = run.peakBytes.flatMap { peak in
            full?.peakBytes.map { Double(peak) / Double($0) }
        }
        func percent(_ stages: PrefillProfile.Stage...) -> Double? {
            guard setting.machine.isCPU else { return nil }
            return 100 * stages.reduce(0) { $0 + result.profile.milliseconds($1) }
                / result.milliseconds
        }
        attention_pct = percent(.attention)
        probe_pct = percent(.probe)
        select_gather_scatter_pct = percent(.select, .gather, .scatter)
        // Pairs of a method that picks them lie scattered: dense attention's rate is no floor for it.
        let floor = setting.roofline.flatMap { roofline in
            choosesPairs && variant.name != "full"
                ? nil
                : PrefillFloor(
                    setting.shape, roofline, reports: reports, weights: variant.weights,
                    elementBytes: Double(setting.machine.dtype.byteCount))
        }
        floor_ms = floor?.milliseconds
        floor_gemm_ms = floor?.gemmMS
        floor_attention_ms = floor?.attentionMS
        floor_bytes_ms = floor?.bytesMS
        share_of_floor = floor.map { $0.milliseconds / times.median }
    }
}

/// The roofline of one length, and what a check found, on lines of their own.
struct RooflineLine: Encodable {
    let benchmark = "roofline"
    let shape: String
    let device_name: String
    let torch: String
    let tokens: Int
    let roofline: Roofline
}
