import FoundationEssentials
import Glibc

/// Writes tensors to a safetensors file, one at a time, in the order they are added.
package struct SafetensorsWriter {
    private struct Pending {
        let name: String
        let tensor: Tensor
        let dtype: DType
    }

    private var pending: [Pending] = []
    package var metadata: [String: String] = [:]

    package init() {}

    package mutating func add(_ name: String, _ tensor: Tensor) throws {
        pending.append(Pending(name: name, tensor: tensor, dtype: try tensor.dtype()))
    }

    /// Writes beside the target and renames, so that a reader never sees half a file.
    package func write(to path: String) throws {
        let temporary = "\(path).\(getpid()).partial"
        guard let file = fopen(temporary, "wb") else {
            throw WeightError(path, "cannot be written: \(String(cString: strerror(errno)))")
        }
        var isOpen = true
        defer {
            if isOpen { fclose(file) }
            unlink(temporary)
        }
        func put(_ bytes: UnsafeRawBufferPointer) throws {
            guard fwrite(bytes.baseAddress, 1, bytes.count, file) == bytes.count else {
                throw WeightError(path, "cannot be written: \(String(cString: strerror(errno)))")
            }
        }
        let header = try headerBytes()
        var length = UInt64(header.count).littleEndian
        try withUnsafeBytes(of: &length, put)
        try header.withUnsafeBytes(put)
        for item in pending { try item.tensor.withBytes(put) }
        isOpen = false
        guard fclose(file) == 0, rename(temporary, path) == 0 else {
            throw WeightError(path, "cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    private struct Entry: Encodable {
        let dtype: String
        let shape: [Int]
        let data_offsets: [Int]
    }

    private enum Value: Encodable {
        case entry(Entry)
        case metadata([String: String])

        func encode(to encoder: any Encoder) throws {
            switch self {
            case .entry(let entry): try entry.encode(to: encoder)
            case .metadata(let metadata): try metadata.encode(to: encoder)
            }
        }
    }

    private func headerBytes() throws -> [UInt8] {
        var header: [String: Value] = ["__metadata__": .metadata(metadata)]
        var offset = 0
        for item in pending {
            let end = offset + item.tensor.count * item.dtype.byteCount
            header[item.name] = .entry(
                Entry(
                    dtype: item.dtype.safetensorsName, shape: item.tensor.shape,
                    data_offsets: [offset, end]))
            offset = end
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        var bytes = [UInt8](try encoder.encode(header))
        // Readers expect the data to start at a multiple of eight.
        while bytes.count % 8 != 0 { bytes.append(UInt8(ascii: " ")) }
        return bytes
    }
}
