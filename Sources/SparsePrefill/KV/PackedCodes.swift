import Torch

/// Whole numbers of two or four bits, four or two of them in a byte, the first in the lowest bits.
struct PackedCodes {
    let bits: Int
    /// Codes that are stored; the last byte may have room for more.
    let count: Int
    /// uint8
    let bytes: Tensor

    /// - Parameter codes: float32 whole numbers in 0..<2^bits, any shape.
    init(_ codes: Tensor, bits: Int) throws {
        self.bits = bits
        count = codes.count
        let perByte = 8 / bits
        let missing = (perByte - count % perByte) % perByte
        var flat = try codes.reshaped([count])
        let device = try codes.device()
        if missing > 0 {
            flat = try Tensor.concatenated(
                [flat, Tensor.zeros([missing], .float32, on: device)], axis: 0)
        }
        let places = try Tensor((0..<perByte).map { Float(1 << ($0 * bits)) }, on: device)
        // At most 255: exact in float32.
        bytes = try (flat.reshaped([-1, perByte]) * places).sum([1]).converted(to: .uint8)
    }

    /// What a kernel has packed.
    init(bytes: Tensor, count: Int, bits: Int) {
        self.bytes = bytes
        self.count = count
        self.bits = bits
    }

    /// The codes as float32 [count].
    func values() throws -> Tensor {
        let perByte = 8 / bits
        let device = try bytes.device()
        let shifts = try Tensor((0..<perByte).map { UInt8($0 * bits) }, on: device)
        let mask = try Tensor([UInt8(1 << bits - 1)], on: device)
        return try bytes.reshaped([-1, 1]).shiftedRight(shifts).bitwiseAnd(mask)
            .reshaped([bytes.count * perByte]).narrowed(0, from: 0, count: count)
            .converted(to: .float32)
    }

    var byteCount: Int { bytes.count }
}
