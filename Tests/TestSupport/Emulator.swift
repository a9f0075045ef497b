import KernelEmulation
package import Torch

/// Runs kernels on the CPU: what it is given are CPU tensors.
///
/// Results start as NaN (all bits set) between two margins, and a launch that writes into a margin of any result
/// made so far is an error.
package final class Emulator: KernelLauncher {
    /// Bytes before and after each result.
    private static let margin = 4096
    private static let fresh = UInt8(0xFF)
    private static let outside = UInt8(0xA5)

    private var results: [(storage: Tensor, bytes: Int)] = []

    package init() {}

    package func output(
        _ shape: [Int], _ dtype: DType, beside tensor: Tensor
    ) throws(TorchError) -> Tensor {
        let count = shape.reduce(1, *)
        let margin = Self.margin / dtype.byteCount
        let storage = try Tensor.empty([count + 2 * margin], dtype)
        let bytes = count * dtype.byteCount
        if let address = try storage.address() {
            let all = UnsafeMutableRawBufferPointer(
                start: address, count: bytes + 2 * Self.margin)
            for i in all.indices {
                let isInside = i >= Self.margin && i < Self.margin + bytes
                all[i] = isInside ? Self.fresh : Self.outside
            }
        }
        results.append((storage, bytes))
        return try storage.narrowed(0, from: margin, count: count).reshaped(shape)
    }

    /// A copy between margins, for kernels that write in place.
    package func copy(_ tensor: Tensor) throws(TorchError) -> Tensor {
        let copy = try output(tensor.shape, tensor.dtype(), beside: tensor)
        try copy.overwrite(with: tensor)
        return copy
    }

    package func launch(
        _ source: KernelSource, _ name: String, grid: (Int, Int, Int), block: Int, sharedBytes: Int,
        _ arguments: [KernelArgument]
    ) throws(TorchError) {
        try Self.run(name, grid: grid, block: block, sharedBytes: sharedBytes, arguments)
        for (storage, bytes) in results {
            guard let address = try storage.address() else { continue }
            let all = UnsafeRawBufferPointer(start: address, count: bytes + 2 * Self.margin)
            let isIntact =
                all.prefix(Self.margin).allSatisfy { $0 == Self.outside }
                && all.suffix(Self.margin).allSatisfy { $0 == Self.outside }
            guard isIntact else {
                throw TorchError(
                    .other, operation: name, message: "wrote outside a result of \(bytes) bytes")
            }
        }
    }

    /// One launch on CPU tensors, by the kernel's name.
    package static func launch(
        _ name: String, grid: (Int, Int, Int), block: Int, sharedBytes: Int = 0,
        _ arguments: KernelArgument...
    ) throws(TorchError) {
        try run(name, grid: grid, block: block, sharedBytes: sharedBytes, arguments)
    }

    private static func run(
        _ name: String, grid: (Int, Int, Int), block: Int, sharedBytes: Int,
        _ arguments: [KernelArgument]
    ) throws(TorchError) {
        guard grid.0 > 0, grid.1 > 0, grid.2 > 0 else { return }
        guard grid.1 <= 65535, grid.2 <= 65535 else {
            throw TorchError(
                .other, operation: name, message: "a grid of \(grid): a GPU takes 65535 in y and z")
        }
        var values: [UInt64] = []
        for argument in arguments { values.append(try argument.bits) }
        let sizes = arguments.map(\.byteCount)
        var message = [CChar](repeating: 0, count: 1024)
        let status = withExtendedLifetime(arguments) {
            values.withUnsafeMutableBufferPointer { values in
                let pointers: [UnsafeMutableRawPointer?] = values.indices.map { index in
                    values.baseAddress.map { UnsafeMutableRawPointer($0 + index) }
                }
                return emulate(
                    name, [UInt32(grid.0), UInt32(grid.1), UInt32(grid.2)], UInt32(block),
                    UInt32(sharedBytes), pointers, sizes, arguments.count, &message, message.count)
            }
        }
        guard status == 0 else {
            let text = message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
            throw TorchError(
                .other, operation: name, message: String(decoding: text, as: UTF8.self))
        }
    }
}
