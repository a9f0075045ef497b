import FoundationEssentials
import Glibc

/// A safetensors file, mapped read-only: opening reads the header, tensors are views of the mapping.
///
/// Format (huggingface/safetensors README): 8 bytes little-endian header length, a JSON object from
/// tensor name to dtype, shape and byte range, then the data the ranges point into.
package final class SafetensorsFile {
    package struct Entry: Sendable {
        package let dtype: DType
        package let shape: [Int]
        /// Offset from the start of the file.
        let start: Int
        package let byteCount: Int
    }

    package let path: String
    package let entries: [String: Entry]
    package let metadata: [String: String]
    package let fileSize: Int
    /// The header's JSON text: together with the file's size it identifies the file's layout.
    package let headerBytes: [UInt8]
    private let base: UnsafeRawPointer
    /// The open file.
    let descriptor: Int32

    /// - Throws: `WeightError` naming the file and what is wrong: unreadable, too short, a header that
    ///   is not JSON, an unknown element type, a range that does not fit its shape or the file.
    package init(path: String) throws {
        let (base, size, descriptor) = try Self.map(path)
        // Until every property is set, a failure must unmap by hand.
        do {
            let length = Int(base.loadUnaligned(as: UInt64.self).littleEndian & 0xFFFF_FFFF_FFFF)
            guard length > 1, length <= size - 8, length <= 100 << 20 else {
                throw WeightError(
                    path, "header of \(length) bytes announced, but the file has \(size) bytes")
            }
            headerBytes = Array(UnsafeRawBufferPointer(start: base + 8, count: length))
            let header = try Self.parse(headerBytes, path: path)
            metadata = header.metadata
            entries = try Self.locate(
                header.tensors, dataStart: 8 + length, fileSize: size, path: path)
        } catch {
            munmap(UnsafeMutableRawPointer(mutating: base), size)
            close(descriptor)
            throw error
        }
        self.path = path
        self.descriptor = descriptor
        self.base = base
        self.fileSize = size
    }

    deinit {
        munmap(UnsafeMutableRawPointer(mutating: base), fileSize)
        close(descriptor)
    }

    /// The tensor as stored, a view of the mapping.
    package func tensor(_ name: String) throws -> Tensor {
        guard let entry = entries[name] else { throw WeightError(path, "has no tensor \(name)") }
        guard entry.byteCount > 0 else { return try Tensor.empty(entry.shape, entry.dtype) }
        return try Tensor(
            borrowing: base + entry.start, shape: entry.shape, entry.dtype, owner: self)
    }

    /// Bytes from the middle of a tensor, `count` at most: enough to tell other weights of the same shape.
    package func sample(_ name: String, count: Int) -> [UInt8] {
        guard let entry = entries[name] else { return [] }
        let taken = min(count, entry.byteCount)
        let start = entry.start + (entry.byteCount - taken) / 2
        return Array(UnsafeRawBufferPointer(start: base + start, count: taken))
    }

    private static func map(_ path: String) throws -> (UnsafeRawPointer, Int, Int32) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw WeightError(path, "cannot be opened: \(String(cString: strerror(errno)))")
        }
        var isMapped = false
        defer { if !isMapped { close(descriptor) } }
        var info = stat()
        guard fstat(descriptor, &info) == 0, info.st_size >= 10 else {
            throw WeightError(path, "is not a safetensors file: \(info.st_size) bytes long")
        }
        let size = Int(info.st_size)
        guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED
        else {
            throw WeightError(path, "cannot be mapped: \(String(cString: strerror(errno)))")
        }
        isMapped = true
        return (UnsafeRawPointer(base), size, descriptor)
    }

    private static func parse(_ bytes: [UInt8], path: String) throws -> Header {
        do {
            return try JSONDecoder().decode(Header.self, from: Data(bytes))
        } catch {
            throw WeightError(path, "header is not a safetensors header: \(error)")
        }
    }

    private static func locate(
        _ tensors: [String: HeaderEntry], dataStart: Int, fileSize: Int, path: String
    ) throws -> [String: Entry] {
        var entries: [String: Entry] = [:]
        var problems: [String] = []
        for (name, raw) in tensors.sorted(by: { $0.key < $1.key }) {
            guard let dtype = DType(safetensorsName: raw.dtype) else {
                problems.append("\(name) has element type \(raw.dtype), which is not supported")
                continue
            }
            guard let need = byteCount(of: raw.shape, dtype), raw.offsets.count == 2,
                raw.offsets[0] >= 0, raw.offsets[1] - raw.offsets[0] == need
            else {
                problems.append(
                    "\(name) \(raw.shape) \(raw.dtype) does not fit its byte range \(raw.offsets)")
                continue
            }
            guard raw.offsets[1] <= fileSize - dataStart else {
                problems.append(
                    "\(name) ends at byte \(dataStart + raw.offsets[1]), but the file has \(fileSize):"
                        + " it was cut off")
                continue
            }
            entries[name] = Entry(
                dtype: dtype, shape: raw.shape, start: dataStart + raw.offsets[0], byteCount: need)
        }
        guard problems.isEmpty else { throw WeightError(path, problems) }
        return entries
    }

    private static func byteCount(of shape: [Int], _ dtype: DType) -> Int? {
        var count = dtype.byteCount
        for size in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            guard size >= 0, !overflow else { return nil }
            count = product
        }
        return count
    }
}

private struct HeaderEntry: Decodable {
    let dtype: String
    let shape: [Int]
    let offsets: [Int]

    enum CodingKeys: String, CodingKey {
        case dtype, shape
        case offsets = "data_offsets"
    }
}

private struct Header: Decodable {
    var tensors: [String: HeaderEntry] = [:]
    var metadata: [String: String] = [:]

    struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        for key in container.allKeys {
            if key.stringValue == "__metadata__" {
                metadata = try container.decode([String: String].self, forKey: key)
            } else {
                tensors[key.stringValue] = try container.decode(HeaderEntry.self, forKey: key)
            }
        }
    }
}
