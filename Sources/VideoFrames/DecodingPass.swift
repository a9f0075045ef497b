internal import CFFmpeg

/// One pass of a lane's decoder over a group of pictures.
///
/// Packets carry the rank of their frame through the decoder in place of a time, so that a frame is
/// recognised by what it is and never by counting.
struct DecodingPass {
    let video: OpenVideo
    let table: FrameTable
    let task: DecodeTask
    /// Leaves out frames that no other refers to and nobody wants.
    let skipping: Bool
    /// Ranks that need not be delivered again.
    let done: Set<Int>

    func run(on lane: VideoLane, into sink: any FrameSink) throws(VideoError) -> DecodingRecord {
        let path = video.file.path
        var record = DecodingRecord()
        var bringsConfiguration = try lane.restart(video)
        let earlier = table.group(of: task.start).flatMap { $0 > 0 ? $0 - 1 : nil }
        try lane.reader.move(
            to: task.start, earlierKey: earlier.map { table.keys[$0] }, in: table)
        var damage = DamageTrail(start: task.start)
        var isTarget = false
        let packet = lane.packet.raw
        while let index = try lane.reader.next(lane.packet, in: table), index <= task.last {
            try video.budget.check(path, "decoding")
            let rank = Int(table.entries[index].rank)
            packet.pointee.pts = rank >= 0 ? Int64(rank) : Int64(-2 - index)
            packet.pointee.dts = AV.noPTS
            // The second field of a target belongs to it.
            isTarget = task.targets.contains(rank) || isTarget && rank < 0
            let isReferenced = video.references.isReferenced(packet.pointee) ?? true
            let isLeading = damage.isLeading(index, in: table)
            if skipping, !isLeading,
                isTarget || isReferenced || !lane.decoder.canSkipUnreferenced
            {
                record.framesNeeded += 1
            }
            if bringsConfiguration { lane.attachConfiguration() }
            bringsConfiguration = false
            let code = lane.decoder.send(lane.packet, skippingUnreferenced: skipping && !isTarget)
            if code == AV.noMemory { throw .outOfMemory(path, "a decoded frame") }
            if code < 0, !isLeading {
                if isReferenced { damage.lose(index) }
                record.lostPackets.insert(index)
            }
            try collect(lane, sink, damage, &record)
            if index == task.last { break }
        }
        lane.decoder.drain()
        try collect(lane, sink, damage, &record)
        return record
    }

    private func collect(
        _ lane: VideoLane, _ sink: any FrameSink, _ damage: DamageTrail,
        _ record: inout DecodingRecord
    ) throws(VideoError) {
        while true {
            let code = lane.decoder.receive(lane.picture)
            if code < 0 {
                if code != AV.again, code != AV.endOfFile { record.failures += 1 }
                return
            }
            record.framesDecoded += 1
            let frame = lane.picture.raw.pointee
            let rank = Int(frame.pts)
            guard rank >= 0, rank < table.total else { continue }
            let index = Int(table.byRank[rank])
            guard index >= 0, !damage.isLeading(index, in: table),
                !damage.reaches(index, in: table)
            else { continue }
            let isDamaged =
                frame.decode_error_flags != 0 || frame.flags & AV_FRAME_FLAG_CORRUPT != 0
            if isDamaged { record.damagedFrames.insert(rank) }
            record.seen.insert(rank)
            if task.targets.contains(rank), !done.contains(rank),
                record.delivered.insert(rank).inserted
            {
                if try lane.deliver(to: sink, rank: rank) { record.inHardware += 1 }
            }
        }
    }
}

/// What a pass has lost, and which later frames that spoils.
private struct DamageTrail {
    /// Decoding index of the packet that the pass began with.
    let start: Int
    /// Decoding index of the last packet that gave nothing.
    private var last: Int?

    init(start: Int) { self.start = start }

    mutating func lose(_ index: Int) { last = index }

    /// Displayed before the first packet of the pass: refers to what was not decoded.
    func isLeading(_ index: Int, in table: borrowing FrameTable) -> Bool {
        guard start > 0, index > start else { return false }
        let (first, entry) = (table.entries[start], table.entries[index])
        return entry.epoch == first.epoch && first.pts != AV.noPTS && entry.pts < first.pts
    }

    /// Whether a frame follows a lost one without a key frame between them.
    func reaches(_ index: Int, in table: borrowing FrameTable) -> Bool {
        guard let last, index > last else { return false }
        guard let group = table.group(of: index) else { return true }
        return table.keys[group] <= last
    }
}
