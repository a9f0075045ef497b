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

/// The matrix of the kernel that comes next.
package struct NextMatrix {
    let matrix: DecodeMatrix
    let isGated: Bool

    /// - Parameter isGated: whether it is read by `swiGLUProduct`.
    package init(_ matrix: DecodeMatrix, isGated: Bool = false) {
        self.matrix = matrix
        self.isGated = isGated
    }
}

/// W x for up to eight sequences at once (matvec.cu). x [B, K] and y [B, N] are bfloat16.
extension DecodeTarget {
    /// Sequences that one pass over a matrix serves.
    package static let mostSequences = 8

    /// y = W norm(x) + bias
    package func product(
        _ matrix: DecodeMatrix, _ x: Tensor, _ norm: DecodeNorm, into y: Tensor,
        next: NextMatrix? = nil, on launcher: any KernelLauncher
    ) throws(TorchError) {
        try multiply(launcher, "norm", matrix, x, norm, into: y, next)
    }

    /// y += W x
    package func addProduct(
        _ matrix: DecodeMatrix, _ x: Tensor, to y: Tensor, next: NextMatrix? = nil,
        on launcher: any KernelLauncher
    ) throws(TorchError) {
        try multiply(launcher, "add", matrix, x, nil, into: y, next)
    }

    /// y [B, N / 2] = SwiGLU of W norm(x), whose first half are the gates.
    package func swiGLUProduct(
        _ matrix: DecodeMatrix, _ x: Tensor, _ norm: DecodeNorm, into y: Tensor,
        next: NextMatrix? = nil, on launcher: any KernelLauncher
    ) throws(TorchError) {
        try multiply(launcher, "swiglu", matrix, x, norm, into: y, next)
    }

    private func multiply(
        _ launcher: any KernelLauncher, _ form: String, _ matrix: DecodeMatrix, _ x: Tensor,
        _ norm: DecodeNorm?, into y: Tensor, _ next: NextMatrix?
    ) throws(TorchError) {
        let isQuantized = matrix.scale != nil
        let shape = MatrixVectorShape(matrix, sequences: x.shape[0], tuning)
        try launcher.launch(
            products, "matvec_\(form)_\(isQuantized ? "e4m3" : "bf16")",
            grid: (shape.blocks(multiprocessors: multiprocessors), 1, 1),
            block: MatrixVectorShape.threads, sharedBytes: shape.sharedBytes,
            [
                .tensor(matrix.weight), .optional(matrix.scale), .optional(matrix.bias),
                .tensor(x), .optional(norm?.gain), .float(norm?.epsilon ?? 0), .tensor(y),
                .int32(matrix.rows), .int32(matrix.columns), .int32(x.shape[0]),
                .int32(shape.width),
            ] + arguments(of: next, sequences: x.shape[0]))
    }

    /// Where the next kernel's blocks begin to read.
    func arguments(
        of next: NextMatrix?, sequences: Int
    ) throws(TorchError) -> [KernelArgument] {
        guard let next, tuning.prefetchBytes > 0 else {
            return [.null, .int32(0), .int32(0), .int32(0), .int32(0), .int32(0)]
        }
        let matrix = next.matrix
        let tiles = MatrixVectorShape(matrix, sequences: sequences, tuning)
            .blocks(multiprocessors: multiprocessors)
        let rowBytes = matrix.columns * (try matrix.weight.dtype().byteCount)
        let bytes = min(rowBytes, max(128, tuning.prefetchBytes / (tiles * 16) / 128 * 128))
        return [
            .tensor(matrix.weight), .int32(tiles), .int32(matrix.rows),
            .int32(next.isGated ? matrix.rows / 2 : 0), .int32(rowBytes), .int32(bytes),
        ]
    }
}

/// How matvec.cu is launched; the constants are the file's.
package struct MatrixVectorShape {
    package static let threads = 256
    /// Rows of a tile: two tiles of eight in SwiGLU.
    private static let tileRows = 16
    /// Columns of x that stand in shared memory at a time, where it does not hold all.
    private static let mostColumns = 4096
    /// Of a multiprocessor's shared memory, with what the block has besides.
    private static let multiprocessorBytes = 228 << 10
    private static let fixedBytes = 4224 + 1024

    private let rows: Int
    private let blocksPerMultiprocessor: Int
    /// Columns of x in shared memory at a time.
    package let width: Int
    package let sharedBytes: Int

    package init(_ matrix: DecodeMatrix, sequences: Int, _ tuning: DecodeTuning) {
        let isQuantized = matrix.scale != nil
        let round = (isQuantized ? 512 : 256) * tuning.pieces
        let padding = isQuantized ? 8 : 32
        rows = matrix.rows
        blocksPerMultiprocessor = tuning.blocks
        let all = (matrix.columns + round - 1) / round * round
        let isSmall = sequences * (all + padding) * 2 <= tuning.inputBytes
        width = isSmall ? all : min(all, Self.mostColumns)
        sharedBytes =
            tuning.stages * tuning.pieces * 2 * Self.threads * 16
            + sequences * (width + padding) * 2
    }

    /// As many as run at once, each with the same number of tiles but for the last.
    package func blocks(multiprocessors: Int) -> Int {
        let fitting = Self.multiprocessorBytes / (sharedBytes + Self.fixedBytes)
        let most = multiprocessors * max(1, min(fitting, blocksPerMultiprocessor))
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
