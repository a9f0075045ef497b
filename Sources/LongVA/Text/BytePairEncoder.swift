/// Byte-level byte-pair encoding: a piece starts as single bytes, and the adjacent pair of the
/// lowest rank is merged (the leftmost of equals) until no adjacent pair is in the table.
package struct BytePairEncoder: Sendable {
    private struct Merge {
        var rank: Int32
        var id: Int32
    }

    /// Token id of each single byte.
    private let byteIDs: [Int32]
    /// (left id, right id) to what they become.
    private var merges: [UInt64: Merge] = [:]

    /// - Parameter byteIDs: 256 token ids, by byte.
    package init(byteIDs: [Int32]) {
        self.byteIDs = byteIDs
    }

    package var mergeCount: Int { merges.count }

    package mutating func reserveCapacity(_ count: Int) {
        merges.reserveCapacity(count)
    }

    /// Adds a merge after all that are there. A pair that is there already keeps its rank.
    package mutating func append(left: Int32, right: Int32, becomes id: Int32) {
        let pair = Self.pair(left, right)
        if merges[pair] == nil {
            merges[pair] = Merge(rank: Int32(merges.count), id: id)
        }
    }

    /// Appends the ids of one piece. Time is n log n in the piece's length.
    package func encode(_ piece: some Collection<UInt8>, into output: inout [Int]) {
        // The parts stand where their first byte is; `ids` is -1 where a part was merged away.
        var ids = piece.map { byteIDs[Int($0)] }
        let count = ids.count
        var next = Array(1..<count + 1)
        var previous = Array(-1..<count - 1)
        var queue = MergeQueue()

        func candidate(at position: Int) -> Merge? {
            next[position] < count ? merges[Self.pair(ids[position], ids[next[position]])] : nil
        }
        for position in 0..<count {
            if let merge = candidate(at: position) { queue.insert(merge.rank, at: position) }
        }
        while let (rank, position) = queue.popFirst() {
            // Entries are not removed when their pair changes: they are seen to be stale here.
            guard ids[position] >= 0, let merge = candidate(at: position), merge.rank == rank
            else { continue }
            let absorbed = next[position]
            ids[position] = merge.id
            ids[absorbed] = -1
            next[position] = next[absorbed]
            if next[position] < count { previous[next[position]] = position }
            if let merge = candidate(at: position) { queue.insert(merge.rank, at: position) }
            let before = previous[position]
            if before >= 0, let merge = candidate(at: before) {
                queue.insert(merge.rank, at: before)
            }
        }
        for id in ids where id >= 0 { output.append(Int(id)) }
    }

    private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }
}

/// A binary heap of (rank, position), smallest rank first, then leftmost.
private struct MergeQueue {
    private var keys: [UInt64] = []

    mutating func insert(_ rank: Int32, at position: Int) {
        var child = keys.count
        keys.append(UInt64(UInt32(bitPattern: rank)) << 32 | UInt64(UInt32(position)))
        while child > 0, keys[child] < keys[(child - 1) / 2] {
            keys.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func popFirst() -> (rank: Int32, position: Int)? {
        guard let first = keys.first, let last = keys.popLast() else { return nil }
        if !keys.isEmpty {
            keys[0] = last
            sink()
        }
        return (Int32(bitPattern: UInt32(first >> 32)), Int(first & 0xFFFF_FFFF))
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var smallest = 2 * parent + 1
            guard smallest < keys.count else { return }
            if smallest + 1 < keys.count, keys[smallest + 1] < keys[smallest] { smallest += 1 }
            guard keys[smallest] < keys[parent] else { return }
            keys.swapAt(parent, smallest)
            parent = smallest
        }
    }
}
