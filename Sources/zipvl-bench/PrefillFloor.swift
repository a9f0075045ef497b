import LongVA
import SparsePrefill

/// The least time that a prefill can take by the machine's roofline: its matrix products at the rate of the library's,
/// attention over the pairs that the method computes at the rate of dense attention, and what must be read and written
/// between them, once each.
struct PrefillFloor {
    let gemmMS: Double
    let attentionMS: Double
    let bytesMS: Double

    var milliseconds: Double { gemmMS + attentionMS + bytesMS }

    /// - Parameter elementBytes: of the run's element type.
    init(
        _ shape: ModelShape, _ roofline: Roofline, reports: [LayerReport], weights: WeightFormat,
        elementBytes e: Double
    ) {
        let c = shape.configuration
        let (d, f) = (Double(c.hiddenSize), Double(c.intermediateSize))
        let query = Double(c.heads * c.headWidth)
        let key = Double(c.keyValueHeads * c.headWidth)
        let rates =
            weights == .fp8
            ? roofline.gemm_fp8_tflops ?? roofline.gemm_tflops
            : roofline.gemm_tflops
        func time(_ product: String, _ multiplyAdds: Double) -> Double {
            2 * multiplyAdds / ((rates[product] ?? .nan) * 1e12)
        }
        // Between SwiGLU and the last product stand e4m3 rows when there are such.
        let activated = weights == .fp8 ? 1 : e
        var (gemm, attention, bytes) = (0.0, 0.0, 0.0)
        for report in reports {
            let (q, k, v) = (
                Double(report.rows.query), Double(report.rows.key), Double(report.rows.value)
            )
            let (o, ff) = (Double(report.rows.output), Double(report.rows.feedForward))
            gemm += time("qkv", d * (q * query + (k + v) * key)) + time("o", o * query * d)
            gemm += time("gate_up", ff * d * 2 * f) + time("down", ff * f * d)
            attention += report.pairs * 4 * query / (roofline.attention_tflops * 1e12)
            let norms = (k + ff) * d * 2 * e
            let rope = (q * query + k * key) * 2 * e
            let swiGLU = ff * f * (2 * e + activated)
            let cache = Double(report.cached) * 2 * key * e
            let probe = report.probes.isEmpty ? 0 : k * key * e
            let moved = report.attended < report.rows.key ? o * d * 4 * e : 0
            bytes += norms + rope + swiGLU + cache + probe + moved
        }
        gemmMS = gemm * 1000
        attentionMS = attention * 1000
        bytesMS = bytes / (roofline.copy_gb_s * 1e9) * 1000
    }
}
