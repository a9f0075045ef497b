import SparsePrefill

/// The engine's kernels against the plain operators, on the model that is timed.
struct PrefillCheck: Encodable {
    let benchmark = "check"
    let method: String
    let weights: String
    let schedule: String?
    let tokens: Int
    /// Of the last token's logits.
    let relative_error: Double
    let limit: Double
    /// Kept tokens that both chose, of those that either did; the least of all layers.
    let kept_in_common: Double?
    let passed: Bool

    private static let leastInCommon = 0.97

    init(
        _ variant: PrefillVariant, tokens n: Int, on run: DecoderRun
    ) throws {
        KernelSwitch.off.apply()
        let plain = try run.measure(variant, tokens: n)
        KernelSwitch.on.apply()
        let fast = try run.measure(variant, tokens: n)
        method = variant.name
        weights = variant.weights.rawValue
        schedule = variant.schedule?.rawValue
        tokens = n
        relative_error = Self.relativeError(fast.logits, plain.logits)
        // bf16 rounds to 0.4 %, e4m3 to 6 %; a few per cent are what is left of either after the layers.
        limit =
            switch (variant.weights, run.machine.isCPU) {
            case (.asIs, true): 1e-3
            case (.asIs, false): 0.05
            case (.fp8, _): 0.15
            }
        let common = zip(fast.reports, plain.reports).compactMap { a, b -> Double? in
            guard let first = a.kept, let second = b.kept else { return nil }
            let both = Set(first).intersection(second).count
            return Double(both) / Double(max(1, first.count + second.count - both))
        }
        kept_in_common = common.min()
        passed =
            relative_error <= limit && fast.logits.allSatisfy(\.isFinite)
            && (kept_in_common ?? 1) >= Self.leastInCommon
    }

    /// |a - b| / |b|
    static func relativeError(_ a: [Float], _ b: [Float]) -> Double {
        var (difference, size) = (0.0, 0.0)
        for (x, y) in zip(a, b) {
            difference += Double(x - y) * Double(x - y)
            size += Double(y) * Double(y)
        }
        return size > 0 ? (difference / size).squareRoot() : difference > 0 ? .infinity : 0
    }
}
