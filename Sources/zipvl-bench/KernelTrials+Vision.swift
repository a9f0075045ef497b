import Torch

/// What a vision tower does before and after its layers.
extension KernelTrials {
    private static func frames(_ maker: inout TrialMaker) -> Int {
        maker.isQuick ? maker.pick([1, 2]) : maker.machine.isCPU ? 3 : maker.pick([1, 7, 64])
    }

    /// Patches of frames in bytes.
    static func patches(_ maker: inout TrialMaker) -> KernelTrial {
        let (count, dtype, side) = (frames(&maker), maker.dtype(), maker.pick([28, 75, 336]))
        let strips = side / 14
        let bytes = maker.values([count, side, side, 3], .float32, bound: 128)
        let meanings = maker.values([3, 256], .float32)
        func matrix(_ inputs: [Tensor]) -> FramePatches {
            FramePatches(size: 14, meanings: inputs[1], dtype: dtype)
        }
        return KernelTrial(
            operation: "patches", size: "[\(count), \(side), \(side), 3] to \(dtype)",
            bytes: count * (side * side * 3 + strips * strips * 592 * dtype.byteCount), limit: 0,
            inputs: {
                [try (bytes() + Tensor.scalar(128)).converted(to: .uint8), try meanings()]
            },
            fused: { [try matrix($0)($0[0])] }, plain: { [try matrix($0).plain($0[0])] })
    }

    /// Class token, patches and positions, normalised.
    static func tokenNorm(_ maker: inout TrialMaker) throws -> KernelTrial {
        let (count, dtype, width) = (frames(&maker), maker.dtype(), maker.pick([64, 1024]))
        let tokens = maker.pick([2, 5, 577])
        let norm = LayerNorm(
            weight: try maker.values([width], dtype)(), bias: try maker.values([width], dtype)(),
            epsilon: 1e-5)
        let (first, others, positions) = (
            maker.values([width], dtype), maker.values([count, tokens - 1, width], dtype),
            maker.values([tokens, width], dtype)
        )
        return KernelTrial(
            operation: "layer_norm of tokens", size: "[\(count), \(tokens), \(width)] \(dtype)",
            bytes: (2 * count + 1) * tokens * width * dtype.byteCount,
            limit: TrialMaker.limit(dtype),
            inputs: { [try first(), try others(), try positions()] },
            fused: { [try norm(first: $0[0], others: $0[1], positions: $0[2])] },
            plain: { [try norm.plain(first: $0[0], others: $0[1], positions: $0[2])] })
    }

    /// The last residual sum, without the class token.
    static func addingButFirst(_ maker: inout TrialMaker) -> KernelTrial {
        let shape = [frames(&maker), maker.pick([2, 5, 577]), maker.pick([64, 1024])]
        let dtype = maker.dtype()
        let (x, delta) = (maker.values(shape, dtype), maker.values(shape, dtype))
        return KernelTrial(
            operation: "adding but first", size: "\(shape) \(dtype)",
            bytes: 3 * shape[0] * (shape[1] - 1) * shape[2] * dtype.byteCount, limit: 0,
            inputs: { [try x(), try delta()] }, fused: { [try $0[0].addingButFirst($0[1])] },
            plain: { [try $0[0].plainAddingButFirst($0[1])] })
    }

    /// Means over cells of the patch grid.
    static func pooling(_ maker: inout TrialMaker) -> KernelTrial {
        let (grid, size) = (maker.pick([5, 24]), maker.pick([1, 2, 3]))
        let (count, dtype, width) = (frames(&maker), maker.dtype(), maker.pick([64, 3584]))
        let cells = (grid / size) * (grid / size)
        let x = maker.values([count, grid * grid, width], dtype)
        return KernelTrial(
            operation: "pooled rows",
            size: "\(size) x \(size) of [\(count), \(grid)^2, \(width)] \(dtype)",
            bytes: count * cells * (size * size + 1) * width * dtype.byteCount,
            limit: TrialMaker.limit(dtype), inputs: { [try x()] },
            fused: { [try $0[0].pooledRows(grid: grid, size: size)] },
            plain: { [try $0[0].plainPooledRows(grid: grid, size: size)] })
    }
}
