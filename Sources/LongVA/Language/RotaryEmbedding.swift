import Torch

/// Rotary position embedding, rotate-half form (transformers, models/qwen2/modeling_qwen2.py).
struct RotaryEmbedding {
    /// theta^(-2i / d), float32 [1, d / 2].
    private let inverseFrequency: Tensor
    private let dtype: DType
    private let device: Device

    init(theta: Double, headWidth: Int, dtype: DType, device: Device) throws {
        let exponents = stride(from: 0, to: headWidth, by: 2).map { Float($0) / Float(headWidth) }
        let powers = try Tensor.pow(
            Tensor([Float(theta)], on: device), Tensor(exponents, on: device))
        let one = try Tensor([Float(1)], on: device)
        inverseFrequency = try (one / powers).reshaped([1, headWidth / 2])
        self.dtype = dtype
        self.device = device
    }

    /// cos and sin of every angle, [R, d], for the given positions; angles in float32.
    func table(_ positions: [Int]) throws -> RotaryTable {
        let column = try Tensor(positions.map(Float.init), shape: [positions.count, 1], on: device)
        let angles = try column * inverseFrequency
        let both = try Tensor.concatenated([angles, angles], axis: 1)
        return RotaryTable(
            cosine: try both.cos().converted(to: dtype), sine: try both.sin().converted(to: dtype))
    }
}

/// cos and sin [R, d] for R positions.
struct RotaryTable {
    let cosine: Tensor
    let sine: Tensor

    /// The table of some of its rows; `nil` is all.
    func rows(_ rows: Tensor?) throws -> RotaryTable {
        guard let rows else { return self }
        return RotaryTable(
            cosine: try cosine.gathered(0, rows), sine: try sine.gathered(0, rows))
    }

    /// Rotates x [1, H, R, d] by each row's position; x itself may be overwritten.
    func rotated(_ x: Tensor) throws -> Tensor {
        try x.rotated(cosine: cosine, sine: sine)
    }
}
