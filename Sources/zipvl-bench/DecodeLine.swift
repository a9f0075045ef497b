/// One line of `zipvl-bench decode`.
struct DecodeLine: Encodable {
    let benchmark = "decode"
    let device: String
    let shape: String
    let weights: String
    /// graph, graph:overlapping (kernels begin before those in front of them have ended), plain, batch.
    let variant: String
    /// Cached entries of each sequence when the steps begin.
    let context: Int
    let batch: Int
    /// Whether the batch is what the memory holds.
    let fills_memory: Bool
    let steps: Int
    let runs: Int
    let ms_per_token_median: Double
    let ms_per_token_min: Double
    let ms_per_token_max: Double
    /// Of all sequences together.
    let tokens_per_second: Double
    /// Weights and entries that a step reads.
    let read_gb: Double
    /// At the bandwidth given.
    let bound_ms: Double
    let share_of_bound: Double
    /// Steps until the first token that differs from the plain path's; null where there is none, or no
    /// such path to compare with.
    let first_difference: Int?
    let torch: String

    struct Subject {
        let device: String
        let shape: String
        let weights: String
        let torch: String
        let bandwidth: Double
    }

    init(
        _ subject: Subject, _ variant: String, context: Int, batch: Int, fillsMemory: Bool,
        steps: Int, times: Measurement, readBytes: Int64, firstDifference: Int?
    ) {
        device = subject.device
        shape = subject.shape
        weights = subject.weights
        torch = subject.torch
        self.variant = variant
        self.context = context
        self.batch = batch
        fills_memory = fillsMemory
        self.steps = steps
        runs = times.count
        ms_per_token_median = times.median
        ms_per_token_min = times.least
        ms_per_token_max = times.most
        tokens_per_second = 1000 * Double(batch) / times.median
        read_gb = Double(readBytes) / 1e9
        bound_ms = Double(readBytes) / subject.bandwidth / 1e6
        share_of_bound = bound_ms / times.median
        first_difference = firstDifference
    }
}

/// One line of `zipvl-bench decode --parts`.
struct DecodePartLine: Encodable {
    let benchmark = "decode-part"
    let context: Int
    let batch: Int
    let weights: String
    let overlapping: Bool
    let part: String
    /// For all layers.
    let ms: Double
    let gb_s: Double
}

/// One line of `zipvl-bench decode --tune`.
struct DecodeTuneLine: Encodable {
    let benchmark = "decode-tune"
    let weights: String
    /// What differs from the best so far; "best" for what the search ended with.
    let change: String
    let settings: String
    let contexts: [Int]
    /// Of a step, device time, least of some runs.
    let ms: [Double]
    let is_better: Bool
}
