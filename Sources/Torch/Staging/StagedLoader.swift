import Dispatch
import Glibc

/// Brings tensors from files to a device as fast as the disk gives them: several threads read parts of a
/// tensor into page-locked buffers, and each part is copied to its place while others are read.
///
/// Mapped files would be read page by page by the one thread that copies.
package final class StagedLoader {
    package let device: Device
    private let threads: Int
    private let partBytes: Int
    private var buffers: [any StagingBuffer] = []

    /// - Parameters:
    ///   - threads: that read at a time
    ///   - partBytes: of a buffer, a multiple of 16; there are two for each thread
    package init(
        on device: Device, threads: Int = 8, partBytes: Int = 8 << 20
    ) throws(TorchError) {
        self.device = device
        self.threads = max(1, threads)
        self.partBytes = max(16, partBytes & ~15)
        let cuda: CUDADevice? =
            if case .cuda(let index) = device { try CUDADevice.device(index) } else { nil }
        for _ in 0..<2 * self.threads {
            buffers.append(
                try cuda.map { cuda throws(TorchError) in
                    try PinnedStagingBuffer(bytes: self.partBytes, on: cuda)
                } ?? PlainStagingBuffer(bytes: self.partBytes))
        }
    }

    /// A tensor of a file, in its stored element type.
    ///
    /// - Throws: `WeightError` for a name that is not there and a file that cannot be read any more
    package func tensor(_ name: String, of file: SafetensorsFile) throws -> Tensor {
        guard let entry = file.entries[name] else {
            throw WeightError(file.path, "has no tensor \(name)")
        }
        let tensor = try Tensor.empty(entry.shape, entry.dtype, on: device)
        try fill(tensor, from: file, entry)
        return tensor
    }

    /// Fills a contiguous tensor of the entry's size and element type.
    private func fill(_ tensor: Tensor, from file: SafetensorsFile, _ entry: SafetensorsFile.Entry)
        throws
    {
        guard entry.byteCount > 0 else { return }
        let flat = try tensor.reshaped([-1])
        let elementBytes = entry.dtype.byteCount
        let parts = stride(from: 0, to: entry.byteCount, by: partBytes).map { start in
            PartReader.Part(start: start, count: min(partBytes, entry.byteCount - start))
        }
        // What is asked for next usually lies behind it.
        posix_fadvise(
            file.descriptor, off_t(entry.start + entry.byteCount), 256 << 20,
            POSIX_FADV_WILLNEED)
        let reader = PartReader(
            descriptor: file.descriptor, offset: entry.start, parts: parts,
            buffers: buffers.map(\.host))
        reader.start(threads: min(threads, parts.count))
        // The threads must not outlive the buffers.
        defer { reader.finish() }
        var copying: [Int] = []
        for _ in parts {
            guard let (part, buffer) = reader.next() else {
                throw WeightError(
                    file.path, "cannot be read any more: \(reader.failure ?? "it was cut off")")
            }
            try buffers[buffer].copy(
                to: flat.narrowed(
                    0, from: part.start / elementBytes, count: part.count / elementBytes),
                bytes: part.count)
            copying.append(buffer)
            // Half of the buffers are always with the readers.
            if copying.count > threads / 2 {
                let oldest = copying.removeFirst()
                try buffers[oldest].wait()
                reader.release(oldest)
            }
        }
        for buffer in copying { try buffers[buffer].wait() }
    }
}

/// Host memory from which a tensor is filled.
private protocol StagingBuffer {
    var host: UnsafeMutableRawPointer { get }
    /// Starts copying the first bytes into a contiguous tensor.
    func copy(to tensor: Tensor, bytes: Int) throws
    /// Until the last copy is done.
    func wait() throws
}

private final class PinnedStagingBuffer: StagingBuffer {
    private let buffer: PinnedBuffer
    private let event: CUDAEvent

    init(bytes: Int, on device: CUDADevice) throws(TorchError) {
        buffer = try PinnedBuffer(bytes: bytes, on: device)
        event = try CUDAEvent(on: device)
    }

    var host: UnsafeMutableRawPointer { buffer.host }

    func copy(to tensor: Tensor, bytes: Int) throws {
        try buffer.copy(to: tensor, bytes: bytes)
        try event.record()
    }

    func wait() throws { try event.synchronize() }
}

private final class PlainStagingBuffer: StagingBuffer {
    let host: UnsafeMutableRawPointer

    init(bytes: Int) { host = .allocate(byteCount: bytes, alignment: 64) }

    deinit { host.deallocate() }

    func copy(to tensor: Tensor, bytes: Int) throws {
        try tensor.withMutableBytes {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: host, count: bytes))
        }
    }

    func wait() {}
}
