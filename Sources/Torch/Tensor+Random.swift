import CTorch

extension Tensor {
    /// Elements made together: eight bytes each stand in memory a few times while they are made.
    private static let randomAtOnce = 1 << 24

    /// Numbers spread evenly over [-bound, bound), made on the device. Each is a hash of the seed, the stream and its
    /// place, so that they are the same on every device and in every run.
    ///
    /// SplitMix64's finalizer (Steele, Lea and Flood), but for the sign that its shifts carry along, of a row's
    /// number and a column's: int64 tensors cannot be added through this ABI, but they can be joined by bits.
    package static func uniform(
        _ shape: [Int], bound: Float = 1, seed: UInt64, stream: Int, _ dtype: DType = .float32,
        on device: Device = .cpu
    ) throws(TorchError) -> Tensor {
        let result = try empty(shape, dtype, on: device)
        guard result.count > 0 else { return result }
        // Of the first axis that has several: a row must not be larger than what is made together.
        let rows = shape.dropLast().first { $0 > 1 } ?? 1
        let width = result.count / rows
        let flat = try result.reshaped([rows, width])
        let golden: UInt64 = 0x9E37_79B9_7F4A_7C15
        let start = mixed(seed ^ mixed(UInt64(bitPattern: Int64(stream)) &+ golden))
        let steps = try Tensor(
            (0..<width).map { Int64(bitPattern: mixed(UInt64($0) &* golden)) },
            shape: [1, width], on: device)
        let most = max(1, randomAtOnce / width)
        var first = 0
        while first < rows {
            let count = min(most, rows - first)
            let states = try Tensor(
                (first..<first + count).map {
                    Int64(bitPattern: mixed(start &+ UInt64($0) &* 0xD1B5_4A32_D192_ED03))
                }, shape: [count, 1], on: device)
            let whole = try hashed(xor(states, steps)).converted(to: .float32)
            let values = try whole * (bound / Float(1 << 23)) - scalar(bound)
            try flat.narrowed(0, from: first, count: count).overwrite(with: values)
            first += count
        }
        return result
    }

    /// 24 bits of each hashed 64, as int64.
    private static func hashed(_ states: Tensor) throws(TorchError) -> Tensor {
        var z = states
        for (shift, factor) in [
            (Int64(30), 0xBF58_476D_1CE4_E5B9 as UInt64), (27, 0x94D0_49BB_1331_11EB),
        ] {
            z = try xor(z, z.shiftedRight(scalar(shift)))
            z = try z * scalar(Int64(bitPattern: factor))
        }
        return try z.shiftedRight(scalar(Int64(40))).bitwiseAnd(scalar(Int64(0xFF_FFFF)))
    }

    private static func xor(_ a: Tensor, _ b: Tensor) throws(TorchError) -> Tensor {
        try dispatchOne("aten::bitwise_xor", "Tensor", .tensor(a), .tensor(b))
    }

    private static func mixed(_ state: UInt64) -> UInt64 {
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A zero-dimensional int64 tensor.
    private static func scalar(_ value: Int64) throws(TorchError) -> Tensor {
        var raw: OpaquePointer?
        try check(ct_scalar_int64(value, &raw), "scalar")
        guard let raw else {
            throw TorchError(.other, operation: "scalar", message: "returned no tensor")
        }
        return try Tensor(adopting: raw)
    }
}
