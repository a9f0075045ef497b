internal import CFFmpeg

/// Reads packets by their place in the frame table: seeks as the container allows, and never trusts the
/// place where a seek lands.
struct PacketReader: ~Copyable {
    let file: RegularFile
    let stream: Int
    private let limits: SamplingLimits
    private let budget: Budget
    private var demuxer: Demuxer
    /// Decoding index of the packet that the demuxer gives next, nil where that is not known.
    private var expected: Int?
    /// A packet that was met at the end of a move and not handed out yet.
    private var held: Packet
    private var heldIndex: Int?
    private(set) var packetsRead = 0

    /// - Parameter demuxer: one that has just been opened.
    init(
        _ demuxer: consuming Demuxer, stream: Int, limits: SamplingLimits, budget: Budget
    ) throws(VideoError) {
        file = demuxer.file
        held = try Packet(for: demuxer.file.path)
        self.stream = stream
        self.limits = limits
        self.budget = budget
        self.demuxer = demuxer
        expected = 0
    }

    /// The next packet that the table knows.
    ///
    /// - Returns: its decoding index, nil at the end of the file.
    mutating func next(
        _ packet: borrowing Packet, in table: borrowing FrameTable
    ) throws(VideoError) -> Int? {
        if let index = heldIndex {
            heldIndex = nil
            packet.clear()
            av_packet_move_ref(packet.raw, held.raw)
            return index
        }
        var failures = 0
        while true {
            let code = demuxer.read(into: packet)
            if code == AV.endOfFile { return nil }
            if code == AV.interrupted || budget.isSpent { throw .timedOut(file.path, "reading") }
            if code < 0 {
                failures += 1
                if failures > 64 || code == AV.noMemory { return nil }
                continue
            }
            failures = 0
            guard Int(packet.raw.pointee.stream_index) == stream, packet.raw.pointee.size > 0 else {
                continue
            }
            packetsRead += 1
            guard let index = table.index(of: packet.raw.pointee, expected: expected) else {
                continue
            }
            expected = index + 1
            return index
        }
    }

    /// Brings the reader to where `next` returns `index`, or the first packet after it that can be read.
    ///
    /// - Parameter earlierKey: where to seek if seeking to `index` lands behind it.
    mutating func move(
        to index: Int, earlierKey: Int?, in table: borrowing FrameTable
    ) throws(VideoError) {
        if heldIndex == index { return }
        if let expected, heldIndex == nil, expected <= index, index - expected <= 32 {
            if try approach(index, in: table) { return }
        }
        if index > 0, try seek(to: index, in: table), try approach(index, in: table) { return }
        if let earlierKey, earlierKey > 0, try seek(to: earlierKey, in: table),
            try approach(index, in: table)
        {
            return
        }
        if expected.map({ $0 > index }) ?? true || heldIndex != nil { try restart() }
        _ = try approach(index, in: table)
    }

    /// Reads on to a packet and holds it.
    ///
    /// - Returns: false if it was not met.
    private mutating func approach(
        _ index: Int, in table: borrowing FrameTable
    ) throws(VideoError) -> Bool {
        let packet = try Packet(for: file.path)
        while let found = try next(packet, in: table) {
            guard found >= index else { continue }
            held.clear()
            av_packet_move_ref(held.raw, packet.raw)
            heldIndex = found
            return found == index
        }
        return false
    }

    private mutating func restart() throws(VideoError) {
        let fresh = try Demuxer(file, limits: limits, budget: budget)
        fresh.keepOnly(stream)
        demuxer = fresh
        expected = 0
        heldIndex = nil
    }

    /// What the container says of the stream, while the reader lives.
    var parameters: UnsafeMutablePointer<AVCodecParameters>? {
        demuxer.stream(stream)?.pointee.codecpar
    }

    /// Back to the first packet.
    mutating func rewind() throws(VideoError) { try restart() }

    private mutating func seek(
        to index: Int, in table: borrowing FrameTable
    ) throws(VideoError) -> Bool {
        let entry = table.entries[index]
        let code: Int32
        switch SeekKind(container: demuxer.container) {
        case .bytes:
            // Several frames may share one position, or have none.
            guard let position = table.entries[...index].last(where: { $0.position >= 0 })?.position
            else { return false }
            code = av_seek_frame(demuxer.context, -1, position, AVSEEK_FLAG_BYTE)
        case .anyTimestamp:
            // Without the "any" flag an open-GOP key asked for by its decoding time lands a group early.
            code = av_seek_frame(
                demuxer.context, Int32(stream), entry.dts, AVSEEK_FLAG_BACKWARD | AVSEEK_FLAG_ANY)
        case .presentationTime:
            guard entry.statedPTS != AV.noPTS, entry.epoch == 0 else { return false }
            code = av_seek_frame(
                demuxer.context, Int32(stream), entry.statedPTS, AVSEEK_FLAG_BACKWARD)
        case .decodingTime:
            guard entry.dts != AV.noPTS else { return false }
            code = av_seek_frame(demuxer.context, Int32(stream), entry.dts, AVSEEK_FLAG_BACKWARD)
        case .none:
            return false
        }
        expected = nil
        heldIndex = nil
        return code >= 0
    }
}

/// How a container finds a packet again.
enum SeekKind {
    case bytes, anyTimestamp, presentationTime, decodingTime, none

    init(container: String) {
        self =
            switch container {
            // The time search of these works on decoding times and lands one group late.
            case "mpegts", "mpeg", "flv": .bytes
            case "matroska,webm", "asf": .presentationTime
            case "avi": .decodingTime
            // Elementary streams, animated pictures and the like are read from the start.
            default: container.hasPrefix("mov,") ? .anyTimestamp : .none
            }
    }
}

extension PacketReader {
    /// Reads every packet from where the reader stands, which must be the start.
    mutating func scan() throws(VideoError) -> (table: FrameTable, pictures: [PictureKind]) {
        expected = nil
        heldIndex = nil
        return try FrameTable.scanning(demuxer, stream: stream, limits: limits, budget: budget)
    }

    /// Frames a second as the header states them: only for streams that have no times.
    var statedFrameRate: Double {
        guard let rates = demuxer.stream(stream)?.pointee else { return 0 }
        for rate in [rates.avg_frame_rate, rates.r_frame_rate] where rate.num > 0 && rate.den > 0 {
            return Double(rate.num) / Double(rate.den)
        }
        return 0
    }

    /// Fills in the presentation times of a range of entries.
    mutating func readTimes(
        of range: Range<Int>, into table: inout FrameTable
    ) throws(VideoError) {
        guard range.contains(where: { table.entries[$0].pts == AV.noPTS }) else { return }
        let earlierKey = table.group(of: range.lowerBound).map { table.keys[$0] }
        try move(to: range.lowerBound, earlierKey: earlierKey, in: table)
        let packet = try Packet(for: file.path)
        while let index = try next(packet, in: table), index < range.upperBound {
            table.entries[index].pts = packet.raw.pointee.pts
            table.entries[index].statedPTS = packet.raw.pointee.pts
            if index == table.entries.count - 1 { table.lastDuration = packet.raw.pointee.duration }
            if index == range.upperBound - 1 { break }
        }
    }
}

extension FrameTable {
    /// Which entry a packet is.
    ///
    /// Positions, sizes and times are compared, as each alone may repeat: several frames share a position
    /// in a program stream, an edit list shows one sample twice, times are estimated after a seek.
    func index(of packet: AVPacket, expected: Int?) -> Int? {
        func isSame(_ entry: PacketEntry) -> Bool {
            guard entry.size == packet.size else { return false }
            return entry.position >= 0 && entry.position == packet.pos
                || entry.statedPTS != AV.noPTS && entry.statedPTS == packet.pts
                || entry.position < 0 && entry.dts == packet.dts
        }
        func isExactly(_ entry: PacketEntry) -> Bool {
            entry.size == packet.size && entry.position == packet.pos && entry.dts == packet.dts
        }
        if let expected {
            let near = expected..<min(entries.count, expected + 64)
            if let first = near.first, isSame(entries[first]) { return first }
            if let found = near.first(where: { isSame(entries[$0]) }) { return found }
            // A search of the whole table for each packet of a damaged stretch would take too long.
            guard packet.flags & AV_PKT_FLAG_KEY != 0 else { return nil }
        }
        return entries.firstIndex(where: isExactly) ?? entries.firstIndex(where: isSame)
    }
}
