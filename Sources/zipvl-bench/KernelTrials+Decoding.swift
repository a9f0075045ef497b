import Torch

extension KernelTrials {
    /// What the matrix times vector kernel does with its sums.
    enum Product: CaseIterable, Sendable {
        /// Of normed rows, with a bias.
        case norm
        case add
        case swiglu
    }

    /// One matrix times up to eight vectors.
    static func product(
        _ form: Product, _ format: WeightFormat, _ maker: inout TrialMaker
    ) throws -> KernelTrial {
        // Fewer columns than a round of a block, more than stand in shared memory at a time, tiles that are not full.
        let rows = maker.pick(maker.isSmall ? [16, 48, 80] : [48, 512, 3584, 4608, 37_888])
        let columns = maker.pick(
            maker.isSmall ? [16, 272, 384, 1552, 4624] : [272, 1024, 3584, 4624, 18_944])
        let batches = maker.isQuick ? Array(1...8) : [maker.pick(Array(1...8))]
        let place = maker.machine.place
        let weight = try maker.values(
            [rows, columns], .bfloat16, bound: (3 / Float(columns)).squareRoot())()
        let bias = try form == .norm ? maker.values([rows], .bfloat16)() : nil
        let quantized = try format == .fp8 ? weight.plainQuantizedRows() : nil
        let matrix = DecodeMatrix(
            weight: quantized?.values ?? weight, scale: quantized?.scale, bias: bias)
        let norm = try RMSNorm(weight: maker.values([columns], .bfloat16)(), epsilon: 1e-6)
        let (x, y) = (
            maker.values([8, columns], .bfloat16), maker.values([8, rows], .bfloat16)
        )
        let outputs = form == .swiglu ? rows / 2 : rows

        /// In float32, rounded once.
        func wide(_ x: Tensor) throws -> Tensor {
            let all = try quantized?.widened() ?? weight.converted(to: .float32)
            return try x.converted(to: .float32).linear(all, bias?.converted(to: .float32))
                .converted(to: .bfloat16)
        }
        func plain(_ x: Tensor, _ y: Tensor) throws -> Tensor {
            switch form {
            case .norm: return try wide(norm.plain(x).values)
            case .add: return try y + wide(x)
            case .swiglu: return try wide(norm.plain(x).values).plainSwiGLU().values
            }
        }
        return KernelTrial(
            operation: "product \(form) \(format.rawValue)",
            size: "[\(rows), \(columns)] by \(batches.map(String.init).joined(separator: ", "))",
            bytes: matrix.weight.count * (quantized == nil ? 2 : 1),
            // Each side rounds the result, of SwiGLU also what it is made of.
            limit: form == .swiglu ? 6e-3 : 4e-3,
            inputs: {
                try batches.flatMap { count in
                    [
                        try x().narrowed(0, from: 0, count: count),
                        try y().narrowed(0, from: 0, count: count),
                    ]
                }
            },
            fused: { inputs in
                try batches.indices.map { index in
                    let (x, y) = (inputs[2 * index], inputs[2 * index + 1])
                    guard let device = try Kernels.device(x), try matrix.suits() else {
                        return try plain(x, y)
                    }
                    let target = DecodeTarget(device)
                    let decodeNorm = DecodeNorm(norm, epsilon: 1e-6)
                    if form == .add {
                        try target.addProduct(matrix, x, to: y, on: device)
                        return y
                    }
                    let output = try Tensor.empty([x.shape[0], outputs], .bfloat16, on: place)
                    if form == .norm {
                        try target.product(matrix, x, decodeNorm, into: output, on: device)
                    } else {
                        try target.swiGLUProduct(matrix, x, decodeNorm, into: output, on: device)
                    }
                    return output
                }
            },
            plain: { inputs in
                try batches.indices.map { try plain(inputs[2 * $0], inputs[2 * $0 + 1]) }
            })
    }

    /// Rows of the embedding table for tokens that stand on the device.
    static func embedding(_ maker: inout TrialMaker) throws -> KernelTrial {
        let (vocabulary, width) = (maker.isSmall ? 331 : 152_064, maker.width(4096))
        let count = maker.pick(Array(1...8))
        let place = maker.machine.place
        let table = try maker.values([vocabulary, width], .bfloat16)()
        let tokens = (0..<count).map { _ in maker.number(below: vocabulary) }
        let state = try DecodeState(layers: 1, sequences: count, on: place)
        try state.tokens.overwrite(with: Tensor(tokens.map { Int32($0) }, on: place))
        let rows = try Tensor(tokens, on: place)
        func plain() throws -> [Tensor] { [try table.gathered(0, rows)] }
        return KernelTrial(
            operation: "embed", size: "\(count) of [\(vocabulary), \(width)]",
            bytes: 4 * count * width, limit: 0, inputs: { [table] },
            fused: { inputs in
                guard let device = try Kernels.device(inputs[0]) else { return try plain() }
                let x = try Tensor.empty([count, width], .bfloat16, on: place)
                try DecodeTarget(device).embed(inputs[0], state, into: x, on: device)
                return [x]
            },
            plain: { _ in try plain() })
    }
}
