internal import CFFmpeg

/// Decodes chosen frames of an open video, in one pass for each group of pictures.
///
/// Packets carry the rank of their frame through the decoder in place of a time, so that a frame is
/// recognised by what it is and never by counting.
final class FrameDecoding {
    private let video: OpenVideo
    private let packet: Packet
    private let picture: Picture
    /// Called once for each rank that was decoded.
    private let deliver: (Int, borrowing Picture) throws(VideoError) -> Void
    private(set) var delivered = Set<Int>()
    /// Every rank that came out undamaged, wanted or not.
    private(set) var seen = Set<Int>()
    private(set) var framesDecoded = 0
    private(set) var framesNeeded = 0
    /// Packets that the decoder refused.
    private(set) var lostPackets = Set<Int>()
    /// Delivered frames with concealed damage.
    private(set) var damagedFrames = Set<Int>()

    init(
        _ video: OpenVideo,
        deliver: @escaping (Int, borrowing Picture) throws(VideoError) -> Void
    ) throws(VideoError) {
        self.video = video
        self.deliver = deliver
        packet = try Packet(for: video.file.path)
        picture = try Picture(for: video.file.path)
    }

    /// Decodes the frames of the given ranks as far as that is possible.
    ///
    /// - Returns: the ranks that could not be had.
    func run(ranks: [Int]) throws(VideoError) -> [Int] {
        let wanted = Set(ranks)
        let fromStart = SeekKind(container: video.container) == .none
        for task in video.table.plan(ranks: Array(wanted), fromStart: fromStart) {
            try pass(task, skipping: true)
        }
        for stepBack in fromStart ? [] : stepsBack {
            let missing = wanted.subtracting(delivered)
            if missing.isEmpty { break }
            for task in video.table.plan(
                ranks: Array(missing), stepBack: stepBack, fromStart: fromStart)
            {
                try pass(task, skipping: false)
            }
        }
        return wanted.subtracting(delivered).sorted()
    }

    /// How many keys earlier to begin for a frame that did not come out. A "key" packet that only begins a
    /// gradual refresh shows nothing before the refresh is complete. A file in which every packet is called
    /// a key, of a codec that does more, does not know its keys: there one lies some seconds back.
    private var stepsBack: [Int] {
        let allKeys = video.table.keys.count == video.table.entries.count
        return allKeys && !video.decoder.isIntraOnly ? [1, 2, 300] : [1, 2]
    }

    /// The ranks nearest to which a lost frame is replaced: undamaged ones if there are any.
    var readable: [Int] {
        let good = seen.subtracting(damagedFrames)
        return (good.isEmpty ? seen : good).sorted()
    }

    /// Decodes everything around the given ranks, to learn which frames near them are readable.
    func explore(ranks: [Int]) throws(VideoError) {
        let fromStart = SeekKind(container: video.container) == .none
        for task in video.table.plan(ranks: ranks, fromStart: fromStart) {
            try pass(task, skipping: false)
        }
    }

    private func pass(_ task: DecodeTask, skipping: Bool) throws(VideoError) {
        let path = video.file.path
        video.decoder.flush()
        let earlier = video.table.group(of: task.start).flatMap { $0 > 0 ? $0 - 1 : nil }
        try video.reader.move(
            to: task.start, earlierKey: earlier.map { video.table.keys[$0] }, in: video.table)
        var damage = DamageTrail(start: task.start)
        var isTarget = false
        while let index = try video.reader.next(packet, in: video.table), index <= task.last {
            try video.budget.check(path, "decoding")
            let rank = Int(video.table.entries[index].rank)
            packet.raw.pointee.pts = rank >= 0 ? Int64(rank) : Int64(-2 - index)
            packet.raw.pointee.dts = AV.noPTS
            // The second field of a target belongs to it.
            isTarget = task.targets.contains(rank) || isTarget && rank < 0
            let isReferenced = video.references.isReferenced(packet.raw.pointee) ?? true
            let isLeading = damage.isLeading(index, in: video.table)
            if skipping, !isLeading,
                isTarget || isReferenced || !video.decoder.canSkipUnreferenced
            {
                framesNeeded += 1
            }
            let code = video.decoder.send(packet, skippingUnreferenced: skipping && !isTarget)
            if code == AV.noMemory { throw .outOfMemory(path, "a decoded frame") }
            if code < 0, !isLeading {
                if isReferenced { damage.lose(index) }
                lostPackets.insert(index)
            }
            try collect(task, damage)
            if index == task.last { break }
        }
        video.decoder.drain()
        try collect(task, damage)
    }

    private func collect(_ task: DecodeTask, _ damage: DamageTrail) throws(VideoError) {
        while video.decoder.receive(picture) {
            framesDecoded += 1
            let rank = Int(picture.raw.pointee.pts)
            guard rank >= 0, rank < video.table.total else { continue }
            let index = Int(video.table.byRank[rank])
            guard index >= 0, !damage.isLeading(index, in: video.table),
                !damage.reaches(index, in: video.table)
            else { continue }
            let isDamaged =
                picture.raw.pointee.decode_error_flags != 0
                || picture.raw.pointee.flags & AV_FRAME_FLAG_CORRUPT != 0
            if isDamaged { damagedFrames.insert(rank) }
            seen.insert(rank)
            if task.targets.contains(rank), delivered.insert(rank).inserted {
                try deliver(rank, picture)
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
