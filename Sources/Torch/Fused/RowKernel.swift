/// Kernels of elementwise.cu: a block works on one row.
struct RowKernel {
    /// The kernel's name without format, element type and size.
    let name: String
    let x: RowLayout
    /// Elements of a row of the result.
    let width: Int

    /// So many blocks fill every GPU there is.
    private static let enoughBlocks = 1056
    /// Packs that the kernels for narrow rows hold in registers; those for wide rows hold them in shared memory.
    private static let narrowPacks = 512
    /// What a block may have of it on every GPU that has e4m3.
    private static let mostSharedBytes = 96 << 10

    /// `nil` where a row is too wide.
    func run(
        as format: ActivationFormat, on launcher: some KernelLauncher
    ) throws -> Activations? {
        let packs = width / x.packWidth
        let source = KernelSource.elementwise
        switch format {
        case .asIs:
            let y = try launcher.output(x.shape(width: width), x.dtype, beside: x.tensor)
            // Few rows: several blocks share one.
            let pieces = min(
                (Self.enoughBlocks + x.rows - 1) / max(x.rows, 1), (packs + 255) / 256)
            try launcher.launch(
                source, "\(name)_\(x.suffix)", grid: (x.rows, pieces, 1), block: 256,
                .tensor(x.tensor), .int64(x.stride), .tensor(y), .int32(packs))
            return Activations(values: y)
        case .e4m3:
            let isNarrow = packs <= Self.narrowPacks
            guard isNarrow || packs * 16 <= Self.mostSharedBytes else { return nil }
            let y = try launcher.output(x.shape(width: width), .e4m3, beside: x.tensor)
            let scale = try launcher.output(x.shape(width: 1), .float32, beside: x.tensor)
            try launcher.launch(
                source, "\(name)_e4m3_\(x.suffix)_\(isNarrow ? "narrow" : "wide")",
                grid: (x.rows, 1, 1), block: isNarrow ? 128 : 256,
                sharedBytes: isNarrow ? 0 : packs * 16,
                .tensor(x.tensor), .int64(x.stride), .tensor(y), .tensor(scale), .int32(packs))
            return Activations(values: y, scale: scale)
        }
    }
}
