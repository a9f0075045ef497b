/// A group of pictures as the order of packets tells it: a key packet and those up to the next one. Only the
/// first may begin without a key.
struct GroupSpan {
    /// Decoding indices.
    var entries: Range<Int>
    /// Ranks of its displayed frames, none if all are hidden: all frames of the groups before are displayed
    /// before them, which `FrameTable.resolve` checks where it reads.
    var ranks: Range<Int>
}

extension FrameTable {
    /// All groups in their order.
    var groupSpans: [GroupSpan] {
        var starts = keys
        if starts.first != 0 { starts.insert(0, at: 0) }
        var shown = 0
        return starts.indices.map { number in
            let end = number + 1 < starts.count ? starts[number + 1] : entries.count
            let first = shown
            shown += entries[starts[number]..<end].count { $0.isShown }
            return GroupSpan(entries: starts[number]..<end, ranks: first..<shown)
        }
    }

    /// Whether the group's packets have been read, so that its frames have times and ranks of their own.
    func knows(_ span: GroupSpan) -> Bool {
        !span.ranks.isEmpty && byRank[span.ranks.lowerBound] >= 0
    }

    /// Rank of the key frame that opens the group, `nil` if it has none that is displayed. Right for known
    /// groups.
    func keyRank(_ span: GroupSpan) -> Int? {
        let entry = entries[span.entries.lowerBound]
        return entry.isKey && entry.isShown ? Int(entry.rank) : nil
    }
}

extension [GroupSpan] {
    /// Place of the group that a rank belongs to.
    func index(of rank: Int) -> Int {
        Swift.max(0, prefixCount { $0.ranks.lowerBound <= rank } - 1)
    }
}

extension Array {
    /// How many elements, from the first on, a condition holds for that holds for none after them.
    func prefixCount(while holds: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if holds(self[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
