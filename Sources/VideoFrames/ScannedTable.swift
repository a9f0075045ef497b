internal import CFFmpeg

extension FrameTable {
    /// Reads every packet of the stream: right for any container, at the cost of reading the file.
    static func scanning(
        _ demuxer: borrowing Demuxer, stream index: Int, limits: SamplingLimits, budget: Budget
    ) throws(VideoError) -> (table: FrameTable, pictures: [PictureKind]) {
        let path = demuxer.file.path
        guard let stream = demuxer.stream(index), let parameters = stream.pointee.codecpar else {
            throw VideoError(code: .noVideoStream, path: path, message: "no video stream")
        }
        let packet = try Packet(for: path)
        var scan = PacketScan(codec: parameters.pointee.codec_id)
        let kinds = HeaderParser.forKinds(parameters, container: demuxer.container)
        let fields = HeaderParser.forFields(parameters, container: demuxer.container)
        var pairing = FieldPairing()
        var failures = 0
        var stop: String?
        while true {
            let code = demuxer.read(into: packet)
            if code == AV.endOfFile { break }
            if code == AV.interrupted || budget.isSpent { throw .timedOut(path, "indexing") }
            if code < 0 {
                // A damaged stretch may be followed by good packets, a damaged end is not.
                failures += 1
                if failures > 64 || code == AV.noMemory {
                    stop = AV.text(code)
                    break
                }
                continue
            }
            failures = 0
            guard Int(packet.raw.pointee.stream_index) == index, packet.raw.pointee.size > 0 else {
                continue
            }
            if scan.entries.count >= limits.packets {
                throw VideoError(
                    code: .tooLarge, path: path,
                    message: "expected at most \(limits.packets) packets, found more")
            }
            scan.add(packet)
            if let kinds { scan.pictures.append(kinds.kind(packet)) }
            if let fields, pairing.isSecond(fields.field(packet)) { scan.hideLast() }
        }
        let base = stream.pointee.time_base
        var table = FrameTable(
            entries: scan.entries, timeBase: Double(base.num) / Double(max(1, base.den)))
        table.lastDuration = scan.lastDuration
        if let stop { table.warnings.append("reading stopped early: \(stop)") }
        return (table, scan.pictures)
    }
}

/// Collects packets during a scan.
private struct PacketScan {
    let codec: AVCodecID
    var entries: [PacketEntry] = []
    var pictures: [PictureKind] = []
    var lastDuration: Int64 = 0
    private var lastPTS = Int64.min

    init(codec: AVCodecID) { self.codec = codec }

    mutating func add(_ packet: borrowing Packet) {
        let raw = packet.raw.pointee
        let isHidden = raw.flags & AV_PKT_FLAG_DISCARD != 0 || isInvisible(raw)
        entries.append(
            PacketEntry(
                pts: raw.pts, statedPTS: raw.pts, dts: raw.dts, position: raw.pos,
                size: raw.size,
                isKey: raw.flags & AV_PKT_FLAG_KEY != 0, isShown: !isHidden))
        if !isHidden, raw.pts != AV.noPTS, raw.pts > lastPTS {
            lastPTS = raw.pts
            lastDuration = raw.duration
        }
    }

    /// The last packet only completes the frame of the one before it.
    mutating func hideLast() {
        entries[entries.count - 1].isShown = false
        entries[entries.count - 1].isKey = false
    }

    /// An alternate reference frame of VP8 is a packet of its own and never displayed: RFC 6386 section
    /// 9.1, the show_frame bit.
    private func isInvisible(_ raw: AVPacket) -> Bool {
        guard codec == AV_CODEC_ID_VP8, let data = raw.data else { return false }
        return data[0] & 0x10 == 0
    }
}

extension FrameTable {
    /// Presentation order by the container's own times.
    ///
    /// - Parameter isIntraOnly: every packet decodes by itself, so none before the first key is lost.
    /// - Returns: false if too many packets have no time for the order to be known.
    mutating func orderByTime(isIntraOnly: Bool) -> Bool {
        let without = entries.count { $0.isShown && $0.pts == AV.noPTS }
        guard without * 50 <= entries.count else { return false }
        if without > 0 { guessMissingTimes() }
        if !isIntraOnly { dropLeadIn() }
        splitEpochs()
        rankByTime()
        return true
    }

    /// Presentation times of packets that lack them: a lost header in a transport stream, a picture that shares
    /// its packet in a program stream.
    ///
    /// Both kinds of times are the same numbers in another order, so the missing one is the first decoding
    /// time, from the packet's own on, that no other picture is presented at.
    private mutating func guessMissingTimes() {
        for index in entries.indices where entries[index].pts == AV.noPTS {
            guard entries[index].dts != AV.noPTS else {
                entries[index].pts = index > 0 ? entries[index - 1].pts &+ 1 : 0
                continue
            }
            let near = max(0, index - 32)..<min(entries.count, index + 32)
            let taken = Set(entries[near].lazy.map(\.pts)).subtracting([AV.noPTS])
            let free = entries[index..<near.upperBound].first {
                $0.dts != AV.noPTS && $0.dts >= entries[index].dts && !taken.contains($0.dts)
            }
            // The last pictures of a stream are presented after all have been decoded.
            let end = (taken.max() ?? entries[index].dts) &+ max(1, lastDuration)
            entries[index].pts = free?.dts ?? end
        }
    }

    /// A recording that starts within a group of pictures: nothing before the first key frame, in decoding
    /// or in presentation order, can be decoded.
    private mutating func dropLeadIn() {
        guard let first = keys.first else { return }
        for index in 0..<first { entries[index].isShown = false }
        let end = keys.count > 1 ? keys[1] : entries.count
        for index in first..<end where entries[index].pts < entries[first].pts {
            entries[index].isShown = false
        }
    }

    /// Joined recordings restart their clock: a key frame that is not later than the one before it opens a
    /// new epoch, shifted to follow what was before.
    private mutating func splitEpochs() {
        var epoch: Int32 = 0
        var shift: Int64 = 0
        var lastKey = Int64.min
        var lastTime = Int64.min
        for index in entries.indices {
            let pts = entries[index].pts
            if entries[index].isKey {
                if lastKey != Int64.min, pts <= lastKey {
                    epoch += 1
                    shift = lastTime &+ max(1, lastDuration) &- pts
                }
                lastKey = pts
            }
            entries[index].epoch = epoch
            entries[index].pts = pts &+ shift
            lastTime = max(lastTime, entries[index].pts)
        }
    }
}
