extension Tensor {
    /// softmax(q k^T / sqrt(d) + causal) v.
    ///
    /// - Parameters: self, queries [B, H, Tq, d]; `keys`, `values` [B, Hkv, Tk, d]. With fewer key
    ///   than query heads each group of H / Hkv query heads shares one (GQA). `isCausal` needs Tq == Tk.
    /// - Returns: [B, H, Tq, d]
    package func attention(
        keys: Tensor, values: Tensor, isCausal: Bool
    ) throws(TorchError) -> Tensor {
        try dispatchOne(
            "aten::scaled_dot_product_attention", "", .tensor(self), .tensor(keys), .tensor(values),
            .optionalTensor(nil), .double(0), .bool(isCausal), .optionalDouble(nil),
            .bool(keys.shape[1] != shape[1]))
    }

    /// Scaled dot-product attention under a mask.
    ///
    /// - Parameter mask: [Tq, Tk]; bool, true where a query may see a key, or of the queries' element
    ///   type and added to the logits. A row that sees none has an undefined output.
    /// - Returns: [B, H, Tq, d]
    package func attention(
        keys: Tensor, values: Tensor, mask: Tensor
    ) throws(TorchError) -> Tensor {
        if try device() != .cpu, keys.shape[1] == shape[1] {
            return try biasedAttention(keys: keys, values: values, mask: mask)
        }
        return try dispatchOne(
            "aten::scaled_dot_product_attention", "", .tensor(self), .tensor(keys), .tensor(values),
            .optionalTensor(mask), .double(0), .bool(false), .optionalDouble(nil),
            .bool(keys.shape[1] != shape[1]))
    }

    /// The same by the library's memory-efficient kernels, which take any length as it comes: cuDNN, its first
    /// choice, would prepare a plan for every one, which takes seconds.
    private func biasedAttention(
        keys: Tensor, values: Tensor, mask: Tensor
    ) throws(TorchError) -> Tensor {
        let (dtype, device) = (try dtype(), try device())
        var bias = mask
        if try mask.dtype() == .bool {
            let seen = try Tensor.zeros([1], dtype, on: device)
            bias = try .where(mask, seen, else: .filled(Self.hidden, [1], dtype, on: device))
        }
        let (rows, columns) = (bias.shape[0], bias.shape[1])
        // Rows of the bias begin where 16 bytes do.
        let room = (columns + 7) / 8 * 8
        if room != columns {
            let padded = try Tensor.empty([rows, room], dtype, on: device)
                .narrowed(1, from: 0, count: columns)
            try padded.overwrite(with: bias)
            bias = padded
        }
        let shape = [shape[0], shape[1], rows, columns]
        return try dispatch(
            "aten::_scaled_dot_product_efficient_attention", "",
            [
                .tensor(self), .tensor(keys), .tensor(values),
                .optionalTensor(bias.expanded(shape)), .bool(false), .double(0), .bool(false),
                .optionalDouble(nil),
            ], results: 4)[0]
    }

    /// Added to the logit of a pair that is not to be seen.
    package static let hidden: Double = -1e30

    /// Normalisation over the last axis with gain and bias.
    package func layerNorm(
        weight: Tensor, bias: Tensor, epsilon: Double
    ) throws(TorchError) -> Tensor {
        try dispatchOne(
            "aten::layer_norm", "", .tensor(self), .ints([weight.count]), .optionalTensor(weight),
            .optionalTensor(bias), .double(epsilon), .bool(true))
    }

    /// Rows of the table `self` [vocabulary, D] for int64 ids of any shape.
    package func embedding(_ ids: Tensor) throws(TorchError) -> Tensor {
        try dispatchOne(
            "aten::embedding", "", .tensor(self), .tensor(ids), .int(-1), .bool(false), .bool(false)
        )
    }

    /// 2-D convolution without padding; self [N, C, H, W], weight [D, C, k, k].
    ///
    /// float32 stays float32: `aten::conv2d` would let cuDNN round its inputs to TF32.
    package func conv2d(weight: Tensor, stride: Int) throws(TorchError) -> Tensor {
        let (benchmark, deterministic, cuDNN, tf32) = (false, false, true, false)
        return try dispatchOne(
            "aten::_convolution", "", .tensor(self), .tensor(weight), .optionalTensor(nil),
            .ints([stride, stride]), .ints([0, 0]), .ints([1, 1]), .bool(false), .ints([0, 0]),
            .int(1), .bool(benchmark), .bool(deterministic), .bool(cuDNN), .bool(tf32))
    }

    /// Mean over non-overlapping `size` x `size` cells of [N, C, H, W]; an odd last row or column is cut.
    package func averagePooled(_ size: Int) throws(TorchError) -> Tensor {
        try dispatchOne(
            "aten::avg_pool2d", "", .tensor(self), .ints([size, size]), .ints([size, size]),
            .ints([0, 0]), .bool(false), .bool(true), .optionalInt(nil))
    }
}
