/// Frames as a matrix with a row for each patch, so that a convolution that steps by its own size is one product.
package struct FramePatches {
    /// p: side of a patch.
    package let size: Int
    /// float32 [3, 256]: what a byte of each channel stands for.
    package let meanings: Tensor
    /// Of the matrix, and of frames that are no bytes.
    package let dtype: DType

    /// Columns are a multiple of this: rows then start where products can read them at once.
    private static let unit = 16
    /// What a block may have on every GPU without asking for more, less what the meanings take.
    private static let mostSharedBytes = 44 << 10

    package init(size: Int, meanings: Tensor, dtype: DType) {
        self.size = size
        self.meanings = meanings
        self.dtype = dtype
    }

    /// 3 p p, and zeros up to a multiple of 16.
    package var width: Int {
        (3 * size * size + Self.unit - 1) / Self.unit * Self.unit
    }

    /// A convolution's weight [D, 3, p, p] as the other side of the product, [D, width].
    package func weight(_ convolution: Tensor) throws(TorchError) -> Tensor {
        try padded(convolution.reshaped([convolution.shape[0], 3 * size * size]))
    }

    /// - Parameter frames: bytes [N, S, S, 3], or numbers [N, 3, S, S].
    /// - Returns: [N P, width], P = (S / p)^2, each row in the order [3, p, p].
    package func callAsFunction(_ frames: Tensor) throws -> Tensor {
        if let device = try Kernels.device(frames, meanings),
            let fused = try fused(frames, on: device)
        {
            return fused
        }
        return try plain(frames)
    }

    /// By the kernel; `nil` where it cannot read the frames.
    package func fused(_ frames: Tensor, on launcher: some KernelLauncher) throws -> Tensor? {
        let isBytes = try frames.dtype() == .uint8
        guard let suffix = KernelElement.suffix(dtype), frames.shape.count == 4,
            try isBytes || frames.dtype() == dtype
        else { return nil }
        let (count, side) = (frames.shape[0], frames.shape[2])
        let sharedBytes = isBytes ? size * side * 3 : 0
        guard frames.shape == (isBytes ? [count, side, side, 3] : [count, 3, side, side]),
            sharedBytes <= Self.mostSharedBytes
        else { return nil }
        let strips = side / size
        let matrix = try launcher.output([count * strips * strips, width], dtype, beside: frames)
        let packs = width * dtype.byteCount / 16
        let source = KernelArgument.tensor(try frames.contiguous())
        let rest: [KernelArgument] = [.tensor(matrix), .int32(side), .int32(size), .int32(packs)]
        try launcher.launch(
            .patches, "patches_of_\(isBytes ? "bytes" : "pixels")_\(suffix)",
            grid: (strips > 0 ? count * strips : 0, 1, 1), block: 256, sharedBytes: sharedBytes,
            [source] + (isBytes ? [.tensor(meanings)] : []) + rest)
        return matrix
    }

    package func plain(_ frames: Tensor) throws -> Tensor {
        let pixels = try pixels(frames)
        let (count, strips) = (pixels.shape[0], pixels.shape[2] / size)
        let used = strips * size
        let cut = try pixels.narrowed(2, from: 0, count: used).narrowed(3, from: 0, count: used)
            .reshaped([count, 3, strips, size, strips, size])
            .permuted([0, 2, 4, 1, 3, 5])  // [N, S / p, S / p, 3, p, p]
        return try padded(cut.reshaped([count * strips * strips, 3 * size * size]))
    }

    /// Bytes [N, S, S, 3] as the numbers [N, 3, S, S] that they stand for; numbers as they are.
    package func pixels(_ frames: Tensor) throws(TorchError) -> Tensor {
        guard try frames.dtype() == .uint8 else { return frames }
        var planes: [Tensor] = []
        for channel in 0..<3 {
            let table = try meanings.narrowed(0, from: channel, count: 1).reshaped([256, 1])
            let plane = try frames.narrowed(3, from: channel, count: 1)  // [N, S, S, 1]
            planes.append(
                try table.embedding(plane.converted(to: .int64)).reshaped(plane.shape))
        }
        return try Tensor.concatenated(planes, axis: 3).permuted([0, 3, 1, 2])
            .converted(to: dtype).contiguous()
    }

    /// [R, 3 p p] to [R, width]
    private func padded(_ rows: Tensor) throws(TorchError) -> Tensor {
        let missing = width - rows.shape[1]
        guard missing > 0 else { return rows }
        let zeros = try Tensor.zeros(
            [rows.shape[0], missing], rows.dtype(), on: try rows.device())
        return try Tensor.concatenated([rows, zeros], axis: 1)
    }
}
