import Torch

/// Brings frames to a device as bytes. On a GPU two page-locked buffers take turns, so that one batch is copied while the
/// one before it is encoded.
final class FrameUpload {
    private struct Buffer {
        let memory: PinnedBuffer
        /// When what was last copied from it has left.
        let isFree: CUDAEvent
    }

    private var buffers: [Buffer?] = [nil, nil]
    private var turn = 0

    /// - Returns: uint8 [N, S, S, 3]
    func callAsFunction(
        _ frames: FrameBatch, _ range: Range<Int>, to device: Device
    ) throws -> Tensor {
        let size = frames.side * frames.side * 3
        let shape = [range.count, frames.side, frames.side, 3]
        let bytes = frames.pixels[range.lowerBound * size..<range.upperBound * size]
        guard case .cuda(let index) = device, !bytes.isEmpty else {
            return try Tensor(Array(bytes), shape: shape, on: device)
        }
        turn = 1 - turn
        let buffer = try buffer(bytes.count, on: CUDADevice.device(index))
        bytes.withUnsafeBytes {
            UnsafeMutableRawBufferPointer(start: buffer.memory.host, count: $0.count)
                .copyMemory(from: $0)
        }
        let tensor = try Tensor.empty(shape, .uint8, on: device)
        try buffer.memory.copy(to: tensor, bytes: bytes.count)
        try buffer.isFree.record()
        return tensor
    }

    /// The one whose turn it is, when it is free.
    private func buffer(_ bytes: Int, on device: CUDADevice) throws -> Buffer {
        try buffers[turn]?.isFree.synchronize()
        if let known = buffers[turn], known.memory.byteCount >= bytes { return known }
        buffers[turn] = nil
        let made = Buffer(
            memory: try PinnedBuffer(bytes: bytes, on: device), isFree: try CUDAEvent(on: device))
        buffers[turn] = made
        return made
    }
}
