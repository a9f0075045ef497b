internal import FoundationEssentials
internal import Glibc

/// The file of one cached sampling:
///
///     magic [8] | length of the header u64 | length of the pixels u64 | checksum of both [16] | header | pixels
///
/// little endian. The header is JSON: the key's text and `SampledFrames` without pixels. The pixels are
/// [N, S, S, 3] bytes.
enum FrameCacheEntry {
    /// What is wrong with a file.
    struct Damage: Error { let text: String }

    private struct Header: Codable {
        var key: String
        var frames: SampledFrames
    }

    private static let magic = Array("zvlfrm01".utf8)
    private static let prefixBytes = 8 + 8 + 8 + ByteChecksum.count

    /// Everything before the pixels.
    static func head(of frames: SampledFrames, _ key: FrameCacheKey) throws -> [UInt8] {
        let header = Array(try JSONEncoder().encode(Header(key: key.text, frames: frames)))
        var checksum = ByteChecksum()
        checksum.add(header)
        checksum.add(frames.pixels)
        return magic + bytes(header.count) + bytes(frames.pixels.count) + checksum.finish() + header
    }

    /// Reads a whole entry and compares it with its checksum.
    ///
    /// - Returns: `nil` for a sound entry of another key
    static func read(
        _ descriptor: Int32, _ key: FrameCacheKey
    ) throws(Damage) -> SampledFrames? {
        var facts = stat()
        guard fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            throw Damage(text: "expected a regular file")
        }
        guard let prefix = SharedFrames.read(descriptor, count: prefixBytes),
            prefix.prefix(magic.count).elementsEqual(magic)
        else { throw Damage(text: "expected sampled frames, found something else") }
        // Lengths that add up to the size of the file cannot ask for more memory than there are bytes.
        let size = Int(facts.st_size)
        let (headerBytes, pixelBytes) = (number(prefix[8..<16]), number(prefix[16..<24]))
        guard (0...size).contains(headerBytes), (0...size).contains(pixelBytes),
            prefixBytes + headerBytes + pixelBytes == size
        else {
            throw Damage(
                text: "expected \(prefixBytes) + \(headerBytes) + \(pixelBytes) bytes, found "
                    + "\(size)")
        }
        guard let header = SharedFrames.read(descriptor, count: headerBytes, at: prefixBytes),
            let pixels = SharedFrames.read(
                descriptor, count: pixelBytes, at: prefixBytes + headerBytes)
        else { throw Damage(text: "cannot be read") }
        var checksum = ByteChecksum()
        checksum.add(header)
        checksum.add(pixels)
        guard checksum.finish().elementsEqual(prefix[24...]) else {
            throw Damage(text: "the checksum does not fit")
        }
        guard let stored = try? JSONDecoder().decode(Header.self, from: Data(header)) else {
            throw Damage(text: "the header cannot be read")
        }
        guard stored.key == key.text else { return nil }
        var frames = stored.frames
        guard frames.count == key.frames, frames.frameIndex.count == frames.count,
            frames.requestedIndex.count == frames.count,
            frames.framePTSMilliseconds.count == frames.count,
            key.side == 0 || frames.width == key.side && frames.height == key.side,
            pixels.count == frames.count * frames.width * frames.height * 3
        else { throw Damage(text: "the header does not fit the frames") }
        frames.pixels = pixels
        return frames
    }

    private static func bytes(_ value: Int) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> Int {
        bytes.reversed().reduce(0) { $0 << 8 | Int($1) }
    }
}
