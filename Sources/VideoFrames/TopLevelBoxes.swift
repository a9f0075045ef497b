internal import Glibc

/// The top-level boxes of an ISO base media file (MP4, MOV), read without the demuxer: they tell a
/// truncated file from one that never was a video, and a fragmented file from one with a whole index.
struct TopLevelBoxes {
    /// Four-character types in file order.
    private(set) var types: [String] = []
    /// Bytes that the last box claims beyond the end of the file.
    private(set) var missingBytes: Int64 = 0

    var isISOMedia: Bool {
        guard let first = types.first else { return false }
        return ["ftyp", "moov", "mdat", "free", "skip", "wide", "styp", "sidx"].contains(first)
    }
    var hasIndex: Bool { types.contains("moov") }
    var isFragmented: Bool { types.contains("moof") }

    /// Reads until a `moof`, the end of the file, or something that is no box.
    init(_ file: RegularFile) {
        let descriptor = open(file.path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var offset: Int64 = 0
        while offset + 8 <= file.size, types.count < 100_000 {
            guard let box = Self.header(descriptor, at: offset) else { return }
            types.append(box.type)
            if box.type == "moof" { return }
            // Size 0 means "to the end of the file".
            if box.size == 0 { return }
            guard box.size >= 8, box.size <= Int64.max - offset else { return }
            missingBytes = max(0, offset + box.size - file.size)
            offset += box.size
        }
    }

    private static func header(
        _ descriptor: Int32, at offset: Int64
    ) -> (size: Int64, type: String)? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &bytes, 16, off_t(offset))
        guard count >= 8 else { return nil }
        let type = bytes[4..<8]
        guard type.allSatisfy({ (0x20...0x7E).contains($0) || $0 == 0xA9 }) else { return nil }
        let short = bytes[0..<4].reduce(Int64(0)) { $0 << 8 | Int64($1) }
        let name = String(decoding: type, as: UTF8.self)
        guard short == 1 else { return (short, name) }
        guard count == 16, bytes[8] < 0x80 else { return nil }
        return (bytes[8..<16].reduce(Int64(0)) { $0 << 8 | Int64($1) }, name)
    }
}
