extension OpenVideo {
    /// The frames of `exact`, and for each the nearest key frame by rank, of two equally near ones the
    /// earlier.
    func chooseKeyFrames(_ count: Int) throws(VideoError) -> FrameChoice {
        _ = try learn([])
        while isPartial {
            let uniform = FrameSampler.uniformIndices(total: table.total, count: count)
            let (shown, unread) = table.nearestKeys(to: uniform)
            if unread.isEmpty { return .keyFrames(requested: uniform, shown: shown) }
            if try !learn(unread) { break }
        }
        let uniform = FrameSampler.uniformIndices(total: table.total, count: count)
        let keys = table.keys.map { Int(table.entries[$0].rank) }.filter { $0 >= 0 }.sorted()
        return .keyFrames(requested: uniform, shown: uniform.map { keys.nearest(to: $0) ?? $0 })
    }
}

extension FrameChoice {
    /// - Parameter shown: where there is no key frame, the frame that was asked for
    fileprivate static func keyFrames(requested: [Int], shown: [Int]) -> FrameChoice {
        let distances = zip(requested, shown).map { abs($0 - $1) }
        let others = distances.count { $0 > 0 }
        let warning =
            others == 0
            ? "sampling keyframe is inexact, though all of \(shown.count) rows show the frame asked for"
            : "sampling keyframe is inexact: \(others) of \(shown.count) rows show the nearest key "
                + "frame, up to \(distances.max() ?? 0) frames away; \(Set(shown).count) different "
                + "frames in all"
        return FrameChoice(requested: requested, shown: shown, warnings: [warning])
    }
}

extension [Int] {
    /// The nearest of ascending numbers, of two equally near ones the lower.
    fileprivate func nearest(to number: Int) -> Int? {
        let next = prefixCount { $0 < number }
        return [next - 1, next].filter(indices.contains).map { self[$0] }
            .min { (abs($0 - number), $0) < (abs($1 - number), $1) }
    }
}

extension FrameTable {
    /// The key frame nearest to each rank, found among the groups that are known.
    ///
    /// Where in its group a key frame is displayed is known only when the group has been read: leading
    /// pictures come before it. Until then it may be at any rank of the group, and the group is read if that
    /// could be nearer than what is known.
    ///
    /// - Returns: a rank for each, and one rank of each group that must be read before all are certain
    fileprivate func nearestKeys(to ranks: [Int]) -> (shown: [Int], unread: [Int]) {
        let spans = groupSpans.filter { !$0.ranks.isEmpty && keyRank($0) != nil }
        var unread = Set<Int>()
        let shown = ranks.map { rank in
            let place = spans.index(of: rank)
            // The groups on both sides, and its own if that has a key frame which is displayed.
            let near = (place - 1...place + 1).filter(spans.indices.contains).map { spans[$0] }
            let best = near.map { KeyCandidate($0, isKnown: knows($0), keyRank($0), to: rank) }
                .min()
            guard let best else { return rank }
            if !best.isKnown { unread.insert(best.group) }
            return best.rank
        }
        return (shown, Array(unread))
    }
}

/// A key frame that may be the nearest to a rank.
private struct KeyCandidate: Comparable {
    /// First rank of its group.
    let group: Int
    let isKnown: Bool
    /// While the group is not known, the rank of the group that would be nearest.
    let rank: Int
    private let distance: Int

    init(_ span: GroupSpan, isKnown: Bool, _ key: Int?, to wanted: Int) {
        group = span.ranks.lowerBound
        self.isKnown = isKnown
        let nearest = min(max(wanted, span.ranks.lowerBound), span.ranks.upperBound - 1)
        rank = isKnown ? key ?? nearest : nearest
        distance = abs(rank - wanted)
    }

    /// Whether it must be looked at before the other.
    static func < (a: KeyCandidate, b: KeyCandidate) -> Bool {
        (a.distance, a.isKnown ? 1 : 0, a.rank) < (b.distance, b.isKnown ? 1 : 0, b.rank)
    }
}
