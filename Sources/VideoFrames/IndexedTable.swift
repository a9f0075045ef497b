internal import CFFmpeg

extension FrameTable {
    /// The table from the sample index of an unfragmented MP4: no packet is read. Presentation times stay
    /// unknown until `resolve` reads the groups that are needed.
    ///
    /// - Returns: nil where the index does not describe the file, which must then be scanned.
    static func indexed(_ demuxer: borrowing Demuxer, stream index: Int) -> FrameTable? {
        guard demuxer.isISOMedia, let stream = demuxer.stream(index) else { return nil }
        let boxes = TopLevelBoxes(demuxer.file)
        guard boxes.hasIndex, !boxes.isFragmented else { return nil }
        let count = avformat_index_get_entries_count(stream)
        guard count > 0 else { return nil }
        var entries: [PacketEntry] = []
        entries.reserveCapacity(Int(count))
        var unreadable = 0
        for number in 0..<count {
            guard let entry = avformat_index_get_entry(stream, number)?.pointee else { return nil }
            // A file cut short still lists what it lost.
            let isReadable =
                entry.pos >= 0 && entry.pos <= demuxer.file.size - Int64(entry.size)
            if !isReadable { unreadable += 1 }
            let isHidden = entry.flags & AVINDEX_DISCARD_FRAME != 0
            entries.append(
                PacketEntry(
                    pts: AV.noPTS, statedPTS: AV.noPTS, dts: entry.timestamp, position: entry.pos,
                    size: entry.size, isKey: entry.flags & AVINDEX_KEYFRAME != 0,
                    isShown: isReadable && !isHidden && entry.size > 0))
        }
        let base = stream.pointee.time_base
        var table = FrameTable(
            entries: entries, timeBase: Double(base.num) / Double(max(1, base.den)))
        if unreadable > 0 {
            table.warnings.append(
                "the file is cut short: \(unreadable) of \(count) frames lie beyond its end, "
                    + "sampled over the rest")
        }
        table.byRank = [Int32](repeating: -1, count: entries.count { $0.isShown })
        return table
    }

    /// Finds presentation times and ranks of the groups of pictures that hold the given ranks, by reading
    /// these groups' packets.
    ///
    /// All frames before a key packet in decoding order are displayed before all from the key packet on
    /// (leading pictures included), so ranks within a group need only the group. Packets on both sides are
    /// read too, and the rule is checked on them.
    ///
    /// - Returns: false where the rule does not hold or packets do not match the index; then the file must
    ///   be scanned.
    mutating func resolve(ranks: [Int], reader: inout PacketReader) throws(VideoError) -> Bool {
        let margin = 16
        let spans = groupSpans
        var last = -1
        for rank in ranks.sorted() {
            let group = spans.index(of: rank)
            guard group != last else { continue }
            last = group
            let span = spans[group]
            let low = max(0, span.entries.lowerBound - margin)
            let high = min(entries.count, span.entries.upperBound + margin)
            try reader.readTimes(of: low..<high, into: &self)
            guard rankGroup(span.entries, within: low..<high, from: span.ranks.lowerBound) else {
                return false
            }
        }
        return true
    }

    private mutating func rankGroup(
        _ group: Range<Int>, within window: Range<Int>, from rank: Int
    ) -> Bool {
        let shown = window.filter { entries[$0].isShown }
        guard shown.allSatisfy({ entries[$0].pts != AV.noPTS }) else { return false }
        let order = shown.filter(group.contains).sorted {
            (entries[$0].pts, $0) < (entries[$1].pts, $1)
        }
        guard let first = order.first, let last = order.last else { return true }
        for index in shown where !group.contains(index) {
            let isApart =
                index < group.lowerBound
                ? entries[index].pts <= entries[first].pts
                : entries[index].pts >= entries[last].pts
            if !isApart { return false }
        }
        for (offset, index) in order.enumerated() {
            entries[index].rank = Int32(rank + offset)
            byRank[rank + offset] = Int32(index)
        }
        return true
    }
}
