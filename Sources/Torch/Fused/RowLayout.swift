/// A tensor as kernels read it: rows of 16-byte packs, a constant number of elements apart.
struct RowLayout {
    let tensor: Tensor
    let rows: Int
    /// Elements of a row, a multiple of a pack's.
    let width: Int
    /// Elements between the starts of neighbouring rows.
    let stride: Int
    /// How the kernels for this element type are called: `bf16` or `f32`.
    let suffix: String
    let dtype: DType
    /// Elements of 16 bytes.
    let packWidth: Int

    var packs: Int { width / packWidth }
    var isContiguous: Bool { rows < 2 || stride == width }

    /// `nil` where no kernel can read it: another element type, an odd width or place, gaps of two sizes.
    init?(_ tensor: Tensor) throws {
        guard let suffix = KernelElement.suffix(try tensor.dtype()), let width = tensor.shape.last
        else { return nil }
        let dtype = try tensor.dtype()
        let packWidth = 16 / dtype.byteCount
        let strides = try tensor.strides()
        guard width % packWidth == 0, strides.last == 1 || width < 2 else { return nil }
        // From the innermost axis out, each must continue the one before.
        var (rows, stride): (Int, Int?) = (1, nil)
        for (size, step) in zip(tensor.shape, strides).dropLast().reversed() where size != 1 {
            if let stride, step != stride * rows { return nil }
            stride = stride ?? step
            rows *= size
        }
        guard (stride ?? 0) % packWidth == 0, try tensor.isPackAligned() else { return nil }
        self.tensor = tensor
        self.rows = rows
        self.width = width
        self.stride = stride ?? width
        self.suffix = suffix
        self.dtype = dtype
        self.packWidth = packWidth
    }

    /// The shape with another last size.
    func shape(width: Int) -> [Int] { tensor.shape.dropLast() + [width] }
}

enum KernelElement {
    /// What a grid takes beside its first size.
    static let mostSequences = 65535

    /// How kernels for an element type are called; `nil` where there are none.
    static func suffix(_ dtype: DType) -> String? {
        switch dtype {
        case .bfloat16: "bf16"
        case .float32: "f32"
        default: nil
        }
    }
}

extension Tensor {
    /// Whether the first element lies where 16 bytes can be read at once.
    func isPackAligned() throws(TorchError) -> Bool {
        try UInt(bitPattern: address()) % 16 == 0
    }
}
