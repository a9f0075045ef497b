import LongVA
import SparsePrefill
import Torch

/// What the machine reaches on the parts that a prefill is made of, measured in the same run.
struct Roofline: Encodable {
    /// TFLOP/s of the matrix products at the model's shapes and the prompt's length.
    var gemm_tflops: [String: Double] = [:]
    /// The same with e4m3 rows; nil where this machine has none.
    var gemm_fp8_tflops: [String: Double]?
    /// TFLOP/s of dense causal attention over the prompt, visible pairs counted.
    var attention_tflops = 0.0
    /// GB/s, bytes read and bytes written.
    var copy_gb_s = 0.0

    /// A decoder layer's matrix products: name, inputs, outputs.
    static func products(_ shape: ModelShape) -> [(name: String, inputs: Int, outputs: Int)] {
        let c = shape.configuration
        let query = c.heads * c.headWidth
        return [
            ("qkv", c.hiddenSize, query + 2 * c.keyValueHeads * c.headWidth),
            ("o", query, c.hiddenSize),
            ("gate_up", c.hiddenSize, 2 * c.intermediateSize),
            ("down", c.intermediateSize, c.hiddenSize),
        ]
    }

    /// - Parameters:
    ///   - seconds: that each rate is measured for.
    ///   - hasFP8: whether e4m3 products are measured too.
    init(
        _ shape: ModelShape, tokens n: Int, on machine: LoadedMachine, seconds: Double, hasFP8: Bool
    ) throws {
        func random(_ sizes: [Int]) throws -> Tensor {
            try Tensor.uniform(
                sizes, seed: machine.seed, stream: -100, machine.dtype, on: machine.place)
        }
        // Products of many rows run as fast in parts.
        let rows = min(n, 65536)
        for product in Self.products(shape) {
            let x = try random([rows, product.inputs])
            let weight = try random([product.outputs, product.inputs])
            let flops = 2 * Double(rows) * Double(product.inputs) * Double(product.outputs)
            gemm_tflops[product.name] =
                try flops / machine.secondsPerCall(for: seconds) { try x.linear(weight) } / 1e12
            guard hasFP8 else { continue }
            let source = RandomWeights(
                seed: machine.seed, on: machine.place, machine.dtype, layers: 1)
            let layer = try Linear(
                machine.weights(source, .fp8)["roofline"], product.inputs, product.outputs,
                bias: false)
            let activations = try x.quantizedRows()
            gemm_fp8_tflops = gemm_fp8_tflops ?? [:]
            gemm_fp8_tflops?[product.name] =
                try flops / machine.secondsPerCall(for: seconds) { try layer(activations) } / 1e12
        }
        let c = shape.configuration
        func split(_ heads: Int) throws -> Tensor {
            try random([1, n, heads, c.headWidth]).transposed(1, 2)
        }
        let (queries, keys, values) = try (
            split(c.heads), split(c.keyValueHeads), split(c.keyValueHeads)
        )
        let pairs = LayerReport.visiblePairs(n)
        attention_tflops =
            try pairs * Double(4 * c.heads * c.headWidth)
            / machine.secondsPerCall(for: seconds) {
                try queries.attention(keys: keys, values: values, isCausal: true)
            } / 1e12
        // Far more than any cache holds.
        let bytes = machine.isCPU ? 256 << 20 : 1 << 30
        let source = try Tensor.zeros([bytes], .uint8, on: machine.place)
        let target = try Tensor.empty([bytes], .uint8, on: machine.place)
        copy_gb_s =
            try 2 * Double(bytes)
            / machine.secondsPerCall(for: seconds) {
                try target.overwrite(with: source)
                return target
            } / 1e9
    }
}

extension LoadedMachine {
    /// Mean time of a call over at least `seconds`, after one to warm up.
    func secondsPerCall(for seconds: Double, _ body: () throws -> Tensor) throws -> Double {
        try wait(for: body())
        var calls = 1
        while true {
            let time =
                try milliseconds {
                    for _ in 1..<calls { _ = try body() }
                    return try body()
                } / 1000
            if time >= seconds { return time / Double(calls) }
            // What was measured tells how many fill the time, with a little more.
            calls = max(calls * 2, Int(1.2 * seconds / max(time, 1e-6) * Double(calls)))
        }
    }
}
