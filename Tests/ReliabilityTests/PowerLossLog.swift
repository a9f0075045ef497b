import Foundation

/// What `shims/power_loss.c` wrote down: every operation on the files of one queue, by all processes,
/// in order. Makes the files as a power cut may leave them.
struct PowerLossLog {
    enum Operation: UInt16 {
        case write = 1, truncate, sync, unlink, folderSync, acknowledged
        /// What a file held before the processes started; written by the test.
        case base
    }

    struct Record {
        var operation: Operation
        /// Index in `suffixes`.
        var file: Int
        /// Tells the files apart that have had the same name or, one after the other, the same inode.
        var generation: Int
        /// Of a write; the new size for `truncate` and `acknowledged`.
        var offset: Int
        /// In the log's bytes.
        var data: Range<Int>
    }

    /// The three files, as suffixes of the database's path.
    static let suffixes = ["", "-wal", "-journal"]
    /// Bytes that a disk writes whole.
    static let sector = 512
    private static let magic: UInt32 = 0x3146_5750
    private static let headerSize = 32

    let bytes: Data
    let records: [Record]

    init(path: String) throws {
        bytes = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
        records = try bytes.withUnsafeBytes { try Self.parse($0) }
    }

    private static func parse(_ bytes: UnsafeRawBufferPointer) throws -> [Record] {
        var records: [Record] = []
        var generations: [UInt64: Int] = [:]
        var count = 0
        var at = 0
        while at + headerSize <= bytes.count {
            func number<N: FixedWidthInteger>(_ offset: Int, as: N.Type) -> N {
                bytes.loadUnaligned(fromByteOffset: at + offset, as: N.self)
            }
            let end = at + headerSize + Int(number(24, as: UInt64.self))
            guard number(0, as: UInt32.self) == magic, end <= bytes.count,
                let operation = Operation(rawValue: number(4, as: UInt16.self))
            else { throw BadLog(at: at) }
            let inode = number(8, as: UInt64.self)
            if generations[inode] == nil {
                generations[inode] = count
                count += 1
            }
            records.append(
                Record(
                    operation: operation, file: Int(number(6, as: UInt16.self)),
                    generation: generations[inode] ?? 0, offset: Int(number(16, as: UInt64.self)),
                    data: (at + headerSize)..<end))
            if operation == .unlink { generations[inode] = nil }
            at = end
        }
        guard at == bytes.count else { throw BadLog(at: at) }
        return records
    }

    struct BadLog: Error {
        var at: Int
    }

    /// Begins a log with what stands now.
    static func begin(_ log: String, database: String) throws {
        var bytes = Data()
        for (index, suffix) in suffixes.enumerated() {
            guard let content = FileManager.default.contents(atPath: database + suffix) else {
                continue
            }
            let attributes = try FileManager.default.attributesOfItem(atPath: database + suffix)
            let inode = (attributes[.systemFileNumber] as? UInt64) ?? 0
            func append<N: FixedWidthInteger>(_ number: N) {
                withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
            }
            append(magic)
            append(Operation.base.rawValue)
            append(UInt16(index))
            append(inode)
            append(UInt64(0))
            append(UInt64(content.count))
            bytes.append(content)
        }
        try bytes.write(to: URL(fileURLWithPath: log))
    }

    // MARK: Images

    /// How much of what was never synced is on the disk all the same.
    enum Survival {
        /// All of it, which is what the files hold in memory.
        case all
        /// Each sector of a write with this probability, and each change of a name or a size; of the
        /// sectors that do not survive, one in twenty is noise.
        case some(Double)
    }

    /// The three files after a power cut before record `cut`; `nil` for a file that is not there.
    func image(
        before cut: Int, _ survival: Survival, using random: inout SplitMix
    ) -> [[UInt8]?] {
        Self.suffixes.indices.map { file in
            let generation = survivor(of: file, before: cut, survival, using: &random)
            return generation.map { content(of: $0, before: cut, survival, using: &random) }
        }
    }

    /// The generation that has the file's name. A name is durable once its file or its folder has been synced,
    /// and its removal once the folder or a later file of that name has: a journalling filesystem
    /// keeps changes of names in their order.
    private func survivor(
        of file: Int, before cut: Int, _ survival: Survival, using random: inout SplitMix
    ) -> Int? {
        var durable: Int?
        var pending: [Int?] = []
        var current: Int?
        for record in records[..<cut] {
            if record.operation == .folderSync {
                durable = current
                pending = []
                continue
            }
            guard record.file == file else { continue }
            switch record.operation {
            case .base:
                current = record.generation
                durable = record.generation
            case .write, .truncate, .sync:
                if current != record.generation {
                    current = record.generation
                    pending.append(record.generation)
                }
                if record.operation == .sync {
                    durable = current
                    pending = []
                }
            case .unlink:
                current = nil
                pending.append(nil)
            case .folderSync, .acknowledged: break
            }
        }
        switch survival {
        case .all: return current
        case .some:
            let steps = Int.random(in: 0...pending.count, using: &random)
            return steps == 0 ? durable : pending[steps - 1]
        }
    }

    private func content(
        of generation: Int, before cut: Int, _ survival: Survival, using random: inout SplitMix
    ) -> [UInt8] {
        let life = records[..<cut].indices.filter { index in
            let record = records[index]
            return record.generation == generation && record.operation != .acknowledged
                && record.operation != .folderSync
        }
        let synced = life.last { records[$0].operation == .sync } ?? -1
        var content: [UInt8] = []
        for index in life {
            let record = records[index]
            switch (record.operation, survival) {
            case (.base, _): content = Array(bytes[record.data])
            case (.write, .some(let share)) where index > synced:
                writeTorn(record, share, to: &content, using: &random)
            case (.write, _): write(record.data, at: record.offset, to: &content)
            case (.truncate, .some(let share)) where index > synced:
                if Double.random(in: 0..<1, using: &random) < share {
                    resize(&content, record.offset)
                }
            case (.truncate, _): resize(&content, record.offset)
            default: break
            }
        }
        return content
    }

    private func writeTorn(
        _ record: Record, _ share: Double, to content: inout [UInt8], using random: inout SplitMix
    ) {
        var from = record.data.lowerBound
        while from < record.data.upperBound {
            let offset = record.offset + from - record.data.lowerBound
            let end = min(
                record.data.upperBound, from + Self.sector - offset % Self.sector)
            if Double.random(in: 0..<1, using: &random) < share {
                write(from..<end, at: offset, to: &content)
            } else if Int.random(in: 0..<20, using: &random) == 0 {
                let size = end - from
                if content.count < offset + size { resize(&content, offset + size) }
                for position in offset..<offset + size {
                    content[position] = UInt8.random(in: 0...255, using: &random)
                }
            }
            from = end
        }
    }

    private func write(_ range: Range<Int>, at offset: Int, to content: inout [UInt8]) {
        if content.count < offset + range.count { resize(&content, offset + range.count) }
        content.withUnsafeMutableBytes { target in
            bytes.withUnsafeBytes { source in
                UnsafeMutableRawBufferPointer(rebasing: target[offset..<offset + range.count])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[range]))
            }
        }
    }

    private func resize(_ content: inout [UInt8], _ size: Int) {
        if content.count > size {
            content.removeLast(content.count - size)
        } else {
            content.append(contentsOf: repeatElement(0, count: size - content.count))
        }
    }

    /// How many bytes of each file of acknowledgements had been written before record `cut`.
    func acknowledged(before cut: Int) -> [String: Int] {
        var sizes: [String: Int] = [:]
        for record in records[..<cut] where record.operation == .acknowledged {
            sizes[String(decoding: bytes[record.data], as: UTF8.self)] = record.offset
        }
        return sizes
    }
}

/// Steele, Lea and Flood's generator: a number can be printed and a run's choices made again.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
