extension Tensor {
    /// Rotary position embedding, rotate-half form, of self [1, H, R, d] by tables [R, d] of its own element type.
    ///
    /// On a GPU the rotation happens in place, whatever the strides: use only the result.
    package func rotated(cosine: Tensor, sine: Tensor) throws -> Tensor {
        if let device = try Kernels.device(self, cosine, sine),
            let fused = try fusedRotated(cosine: cosine, sine: sine, on: device)
        {
            return fused
        }
        return try plainRotated(cosine: cosine, sine: sine)
    }

    /// In place, by the kernel; `nil` where it cannot read the heads.
    package func fusedRotated(
        cosine: Tensor, sine: Tensor, on launcher: some KernelLauncher
    ) throws -> Tensor? {
        let dtype = try dtype()
        guard shape.count == 4, shape[0] == 1, let suffix = KernelElement.suffix(dtype),
            try cosine.dtype() == dtype, try sine.dtype() == dtype
        else { return nil }
        let (heads, rows, width) = (shape[1], shape[2], shape[3])
        let packWidth = 16 / dtype.byteCount
        let strides = try strides()
        guard width > 0, width % (2 * packWidth) == 0, strides[3] == 1,
            heads < 2 || strides[1] % packWidth == 0, rows < 2 || strides[2] % packWidth == 0,
            cosine.shape == [rows, width], sine.shape == [rows, width], try isPackAligned()
        else { return nil }
        let halfPacks = width / 2 / packWidth
        let (cosine, sine) = (try cosine.contiguous(), try sine.contiguous())
        guard try cosine.isPackAligned(), try sine.isPackAligned() else { return nil }
        try launcher.launch(
            .rope, "rope_\(suffix)",
            grid: ((rows * halfPacks + 127) / 128, (heads + 3) / 4, 1), block: 128,
            .tensor(self), .int64(strides[2]), .int64(strides[1]), .tensor(cosine), .tensor(sine),
            .int32(rows), .int32(heads), .int32(halfPacks))
        return self
    }

    package func plainRotated(cosine: Tensor, sine: Tensor) throws -> Tensor {
        let half = shape[3] / 2
        let low = try narrowed(3, from: 0, count: half)
        let high = try narrowed(3, from: half, count: half)
        let turned = try Tensor.concatenated([high.neg(), low], axis: 3)
        return try self * cosine + turned * sine
    }
}
