/// The bytes of every token, by id, in one buffer.
struct TokenTable: Sendable {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []

    var count: Int { ends.count }

    mutating func append(_ token: some Sequence<UInt8>) {
        bytes.append(contentsOf: token)
        ends.append(bytes.count)
    }

    subscript(id: Int) -> ArraySlice<UInt8> {
        bytes[(id == 0 ? 0 : ends[id - 1])..<ends[id]]
    }
}

/// The printable characters that stand for bytes in `vocab.json`, `merges.txt` and `tokenizer.json`:
/// printable Latin-1 stands for itself, every other byte for a character from U+0100 on.
enum ByteAlphabet {
    private static let byteOfScalar: [UInt8?] = {
        var table = [UInt8?](repeating: nil, count: 0x100 + 68)
        var next = 0x100
        for byte in UInt8.min...UInt8.max {
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: table[Int(byte)] = byte
            default:
                table[next] = byte
                next += 1
            }
        }
        return table
    }()

    /// The bytes that `spelling` stands for, or nil if a character of it stands for none.
    static func bytes(of spelling: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        for scalar in spelling.unicodeScalars {
            guard scalar.value < byteOfScalar.count, let byte = byteOfScalar[Int(scalar.value)]
            else { return nil }
            bytes.append(byte)
        }
        return bytes
    }
}
