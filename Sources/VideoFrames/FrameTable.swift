/// One packet of the video stream.
struct PacketEntry {
    /// Presentation time in the stream's time base; `AV.noPTS` while it is not known.
    var pts: Int64
    /// As the demuxer gives it: by it, the decoding time, position and size a packet is recognised again.
    var statedPTS: Int64
    var dts: Int64
    /// Byte position in the file, or -1.
    var position: Int64
    var size: Int32
    var isKey: Bool
    /// Whether it gives a frame that is displayed: hidden frames of an edit list are decoded only.
    var isShown: Bool
    /// Parts of a file with restarted timestamps; the order is by epoch first.
    var epoch: Int32 = 0
    /// Index in presentation order, -1 if hidden or not known yet.
    var rank: Int32 = -1
}

/// The packets of a video stream in decoding order and the order in which their frames are displayed.
/// Everything that is asked for "frame i" goes through it.
struct FrameTable {
    var entries: [PacketEntry]
    /// Decoding indices of key packets, ascending.
    private(set) var keys: [Int] = []
    /// Decoding index of each displayed frame, -1 where it is not known yet.
    var byRank: [Int32] = []
    var timeBase: Double
    /// Presentation times were made up, as the container has none.
    var hasOwnTimes = true
    var warnings: [String] = []
    /// Duration of one frame in the time base where the container states it, else 0.
    var lastDuration: Int64 = 0

    /// Displayed frames.
    var total: Int { byRank.count }

    init(entries: [PacketEntry], timeBase: Double) {
        self.entries = entries
        self.timeBase = timeBase
        findKeys()
    }

    mutating func findKeys() {
        keys = entries.indices.filter { entries[$0].isKey }
    }

    /// Position in `keys` of the last key at or before a packet, nil if there is none.
    func group(of index: Int) -> Int? {
        var low = 0
        var high = keys.count
        while low < high {
            let middle = (low + high) / 2
            if keys[middle] <= index { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : low - 1
    }

    /// Ranks from presentation times of all entries.
    mutating func rankByTime() {
        let shown = entries.indices.filter { entries[$0].isShown }
        rank(
            shown.sorted {
                let (a, b) = (entries[$0], entries[$1])
                return (a.epoch, a.pts, $0) < (b.epoch, b.pts, $1)
            })
    }

    /// Ranks from a list of decoding indices in presentation order.
    mutating func rank(_ order: [Int]) {
        for index in entries.indices { entries[index].rank = -1 }
        byRank = order.map { Int32($0) }
        for (rank, index) in order.enumerated() { entries[index].rank = Int32(rank) }
    }

    func entry(rank: Int) -> PacketEntry? {
        guard rank >= 0, rank < byRank.count, byRank[rank] >= 0 else { return nil }
        return entries[Int(byRank[rank])]
    }

    /// Milliseconds from the first displayed frame.
    func milliseconds(rank: Int) -> Double {
        guard let first = entry(rank: 0), let entry = entry(rank: rank) else { return 0 }
        return (Double(entry.pts) - Double(first.pts)) * timeBase * 1000
    }

    /// Duration of one frame: stated by the last packet, else the mean distance.
    var frameMilliseconds: Double {
        if lastDuration > 0 { return Double(lastDuration) * timeBase * 1000 }
        return total > 1 ? milliseconds(rank: total - 1) / Double(total - 1) : 0
    }

    /// Frames a second by decoding times, nil where the container states none.
    var decodingRate: Double? {
        guard let first = entries.first?.dts, let last = entries.last?.dts, entries.count > 1,
            first != AV.noPTS, last != AV.noPTS, last > first
        else { return nil }
        return Double(entries.count - 1) / ((Double(last) - Double(first)) * timeBase)
    }
}
