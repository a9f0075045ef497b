import Torch

extension KernelTrials {
    /// Column sums of the attention of up to 128 probe rows.
    static func probe(_ maker: inout TrialMaker) throws -> KernelTrial {
        let (group, keyValueHeads, width) = (
            maker.pick([1, 2, 7]), maker.pick([1, 4]), maker.pick([64, 128])
        )
        let n = max(maker.rows(), 2)
        let count = min(n, maker.pick([1, 63, 128]))
        let rows = try maker.ascending(count, below: n)
        let heads = group * keyValueHeads
        let queries = maker.values([1, count, heads, width], .bfloat16)
        let keys = maker.values([1, n, keyValueHeads, width], .bfloat16)
        func plain(_ inputs: [Tensor]) throws -> [Tensor] {
            let device = try inputs[1].device()
            let columns = try Tensor.range(n, on: device).reshaped([1, n])
            let seen = try columns <= inputs[2].reshaped([count, 1])
            let hidden = try Tensor.filled(-.infinity, [1], .float32, on: device)
            let sums = try (0..<keyValueHeads).map { head in
                let query = try inputs[0].narrowed(1, from: head * group, count: group)
                    .converted(to: .float32).reshaped([group, count, width])
                let key = try inputs[1].narrowed(1, from: head, count: 1)
                    .converted(to: .float32).reshaped([n, width])
                let logits = try (query * (1 / Float(width).squareRoot())).matmul(
                    key.transposed(0, 1))
                return try Tensor.where(seen, logits, else: hidden).softmax(-1).sum([0, 1])
                    .reshaped([1, n])
            }
            return [try Tensor.concatenated(sums, axis: 0)]
        }
        return KernelTrial(
            operation: "probe attention",
            size: "\(count) rows, \(heads) over \(keyValueHeads) heads of \(width), \(n) keys",
            bytes: keyValueHeads * n * (2 * width + 4) + heads * count * 2 * width, limit: 4e-3,
            inputs: {
                [try queries().transposed(1, 2), try keys().transposed(1, 2), rows]
            },
            fused: { inputs in
                guard
                    let sums = try ProbeAttention.columnSums(
                        queries: inputs[0], keys: inputs[1], rows: inputs[2])
                else { return try plain(inputs) }
                return [try sums.sum([1])]
            },
            plain: plain)
    }

    /// A linear layer with an e4m3 weight: the library's scaled product against one in float32.
    static func quantizedLinear(_ maker: inout TrialMaker) throws -> KernelTrial {
        let (rows, inputs, outputs) = (
            maker.rows(), 16 * (1 + maker.width(1024) / 16), 16 * (1 + maker.width(1024) / 16)
        )
        let source = RandomWeights(
            seed: maker.machine.seed, on: maker.machine.place, .bfloat16, layers: 1)
        let layer = try Linear(
            Weights(source, device: maker.machine.place, dtype: .bfloat16, format: .e4m3)["trial"],
            inputs, outputs, bias: false)
        let x = maker.values([1, rows, inputs], .bfloat16)
        return KernelTrial(
            operation: "linear e4m3", size: "[1, \(rows), \(inputs)] to \(outputs)",
            bytes: rows * (inputs + 2 * outputs) + inputs * outputs,
            // The result is rounded to bf16 on both sides.
            limit: 4e-3, inputs: { [try x()] }, fused: { [try layer($0[0])] },
            plain: { inputs in
                guard let scale = layer.scale else { return [try layer(inputs[0])] }
                let weight = try layer.weight.converted(to: .float32) * scale
                let wide = try inputs[0].plainQuantizedRows().widened()
                return [try wide.matmul(weight.transposed(0, 1)).converted(to: .bfloat16)]
            })
    }
}
