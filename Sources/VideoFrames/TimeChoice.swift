/// The times that the mode `time` looks at, in ticks of the stream's clock from the first displayed frame:
/// row i of N looks at i (T - 0) / (N - 1), where T is when the last displayed frame begins; the only row of
/// one looks at 0.
struct UniformTimes {
    let count: Int
    /// T
    let span: Double
    /// A frame that begins this much after a time counts as on the screen: clocks round the times of frames
    /// to their ticks, both the frame's and T. At most a sixteenth of the mean distance of frames, for clocks
    /// that tick once a frame and round nothing.
    let tolerance: Double

    init(_ table: borrowing FrameTable, count: Int) {
        self.count = count
        span = max(0, table.ticks(rank: table.total - 1))
        tolerance = min(1, span / Double(max(1, table.total - 1)) / 16)
    }

    /// Until when a frame may begin that is to be seen in a row.
    func latest(_ row: Int) -> Double {
        (count > 1 ? span * Double(row) / Double(count - 1) : 0) + tolerance
    }
}

extension OpenVideo {
    /// For each of `count` times evenly spaced over the video the rank of the frame on the screen: the last
    /// one that has begun by then.
    func chooseByTime(_ count: Int) throws(VideoError) -> [Int] {
        _ = try learn([])
        // Each round brings every row closer to its group. Decoding times, by which groups are guessed, are
        // seldom further off than a group; where they mean nothing, all packets are read instead.
        for _ in 0..<8 where isPartial {
            let (ranks, unread) = table.onScreen(UniformTimes(table, count: count))
            if unread.isEmpty { return ranks }
            if try !learn(unread) { break }
        }
        if isPartial { _ = try learn(Array(0..<table.total)) }
        // Made up times are evenly spaced, so that rows are those of `exact`.
        guard table.hasOwnTimes else { return try chooseByIndex(count) }
        let times = UniformTimes(table, count: count)
        return (0..<count).map { table.lastBegun(by: times.latest($0), in: 0..<table.total) }
    }
}

extension FrameTable {
    /// Begin of a frame in ticks from the first displayed frame.
    func ticks(rank: Int) -> Double {
        guard let first = entry(rank: 0), let entry = entry(rank: rank) else { return 0 }
        return Double(entry.pts) - Double(first.pts)
    }

    /// The last frame of a range that has begun by a time, or the range's first.
    func lastBegun(by time: Double, in ranks: Range<Int>) -> Int {
        var (low, high) = (ranks.lowerBound, ranks.upperBound - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            if ticks(rank: middle) <= time { low = middle } else { high = middle - 1 }
        }
        return low
    }

    /// The frame on the screen at each time, found among the groups that are known.
    ///
    /// Groups follow one another in time. So a row's frame lies in the last group that begins by its time, and
    /// that group is certain once it is known and a frame of it, or the known group behind it, begins later.
    ///
    /// - Returns: a rank for each row, and one rank of each group that must be read before all rows are
    ///   certain
    fileprivate func onScreen(_ times: UniformTimes) -> (ranks: [Int], unread: [Int]) {
        let spans = groupSpans.filter { !$0.ranks.isEmpty }
        let known = spans.indices.filter { knows(spans[$0]) }
        let origin = entry(rank: 0).map { Double($0.pts) } ?? 0
        var unread = Set<Int>()
        let ranks = (0..<times.count).map { row in
            let time = times.latest(row)
            // The first and the last group are known.
            let begun = known.prefixCount {
                ticks(rank: spans[$0].ranks.lowerBound) <= time
            }
            let place = max(0, begun - 1)
            let group = known[place]
            let next = place + 1 < known.count ? known[place + 1] : spans.count
            let rank = lastBegun(by: time, in: spans[group].ranks)
            if rank == spans[group].ranks.upperBound - 1, next > group + 1 {
                // No frame is decoded after it is displayed.
                let guess =
                    spans.prefixCount {
                        Double(entries[$0.entries.lowerBound].dts) - origin <= time
                    } - 1
                unread.insert(spans[min(max(guess, group + 1), next - 1)].ranks.lowerBound)
            }
            return rank
        }
        return (ranks, Array(unread))
    }
}
