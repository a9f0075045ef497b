/// A matrix as the kernels of a decoding step read it.
package struct DecodeMatrix {
    /// [N, K], bfloat16 or e4m3; contiguous.
    package let weight: Tensor
    /// float32, one for each of the N rows of an e4m3 matrix.
    package let scale: Tensor?
    /// bfloat16 [N]
    package let bias: Tensor?

    package init(weight: Tensor, scale: Tensor? = nil, bias: Tensor? = nil) {
        self.weight = weight
        self.scale = scale
        self.bias = bias
    }

    package init(_ linear: Linear) {
        self.init(weight: linear.weight, scale: linear.scale, bias: linear.bias)
    }

    package var rows: Int { weight.shape[0] }
    package var columns: Int { weight.shape[1] }

    /// Whether the kernels can read it.
    package func suits() throws(TorchError) -> Bool {
        switch try weight.dtype() {
        case .bfloat16: return rows % 8 == 0 && columns % 8 == 0 && scale == nil
        case .e4m3: return rows % 8 == 0 && columns % 16 == 0 && scale != nil
        default: return false
        }
    }
}

/// Root mean square normalisation of a kernel's input.
package struct DecodeNorm {
    /// bfloat16 [K]
    let gain: Tensor
    let epsilon: Float

    package init(_ norm: RMSNorm, epsilon: Double) {
        gain = norm.weight
        self.epsilon = Float(epsilon)
    }
}

/// W x for up to eight sequences at once (matvec.cu). x [B, K] and y [B, N] are bfloat16.
extension DecodeTarget {
    /// Sequences that one pass over a matrix serves.
    package static let mostSequences = 8

    /// y = W norm(x) + bias
    package func product(
        _ matrix: DecodeMatrix, _ x: Tensor, _ norm: DecodeNorm, into y: Tensor,
        on launcher: any KernelLauncher
    ) throws(TorchError) {
        try multiply(launcher, "norm", matrix, x, norm, into: y)
    }

    /// y += W x
    package func addProduct(
        _ matrix: DecodeMatrix, _ x: Tensor, to y: Tensor, on launcher: any KernelLauncher
    ) throws(TorchError) {
        try multiply(launcher, "add", matrix, x, nil, into: y)
    }

    /// y [B, N / 2] = SwiGLU of W norm(x), whose first half are the gates.
    package func swiGLUProduct(
        _ matrix: DecodeMatrix, _ x: Tensor, _ norm: DecodeNorm, into y: Tensor,
        on launcher: any KernelLauncher
    ) throws(TorchError) {
        try multiply(launcher, "swiglu", matrix, x, norm, into: y)
    }

    private func multiply(
        _ launcher: any KernelLauncher, _ form: String, _ matrix: DecodeMatrix, _ x: Tensor,
        _ norm: DecodeNorm?, into y: Tensor
    ) throws(TorchError) {
        let isQuantized = matrix.scale != nil
        let shape = MatrixVectorShape(
            rows: matrix.rows, columns: matrix.columns, sequences: x.shape[0],
            isQuantized: isQuantized)
        try launcher.launch(
            .matvec, "matvec_\(form)_\(isQuantized ? "e4m3" : "bf16")",
            grid: (shape.blocks(multiprocessors: multiprocessors), 1, 1),
            block: MatrixVectorShape.threads, sharedBytes: shape.sharedBytes,
            [
                .tensor(matrix.weight), .optional(matrix.scale), .optional(matrix.bias),
                .tensor(x), .optional(norm?.gain), .float(norm?.epsilon ?? 0), .tensor(y),
                .int32(matrix.rows), .int32(matrix.columns), .int32(x.shape[0]),
                .int32(shape.width),
            ])
    }
}

/// How matvec.cu is launched; the constants are the file's.
package struct MatrixVectorShape {
    package static let threads = 256
    private static let stages = 5
    /// Rows of a tile: two tiles of eight in SwiGLU.
    private static let tileRows = 16
    /// Columns of x that stand in shared memory at a time. More would keep the next kernel's blocks out.
    private static let mostColumns = 4096
    /// Of a multiprocessor's shared memory, with what the block has besides.
    private static let multiprocessorBytes = 228 << 10
    private static let fixedBytes = 4224 + 1024
    /// Room is left for the first blocks of the next kernel.
    private static let blocksPerMultiprocessor = 3

    private let rows: Int
    /// Columns of x in shared memory at a time.
    package let width: Int
    package let sharedBytes: Int

    package init(rows: Int, columns: Int, sequences: Int, isQuantized: Bool) {
        let round = isQuantized ? 512 : 256
        let padding = isQuantized ? 8 : 32
        self.rows = rows
        width = min((columns + round - 1) / round * round, Self.mostColumns)
        sharedBytes = Self.stages * 2 * Self.threads * 16 + sequences * (width + padding) * 2
    }

    /// As many as run at once, each with the same number of tiles but for the last.
    package func blocks(multiprocessors: Int) -> Int {
        let fitting = Self.multiprocessorBytes / (sharedBytes + Self.fixedBytes)
        let most = multiprocessors * max(1, min(fitting, Self.blocksPerMultiprocessor))
        let tiles = (rows + Self.tileRows - 1) / Self.tileRows
        let each = max(1, (tiles + most - 1) / most)
        return (tiles + each - 1) / each
    }
}

extension KernelArgument {
    /// A null pointer for no tensor.
    static func optional(_ tensor: Tensor?) -> KernelArgument {
        tensor.map { .tensor($0) } ?? .null
    }
}
