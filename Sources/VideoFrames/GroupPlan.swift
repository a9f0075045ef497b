/// One pass of the decoder: from a key packet to the last target of its groups of pictures. Tasks share
/// nothing and can run in any order.
struct DecodeTask {
    /// Decoding index of the first packet, a key where the file has one.
    var start: Int
    /// Decoding index of the last packet that is needed.
    var last: Int
    /// Ranks wanted from this pass.
    var targets: Set<Int>
}

extension FrameTable {
    /// The passes that give the frames of the given ranks, each packet in at most one of them.
    ///
    /// - Parameters:
    ///   - stepBack: start this many key packets earlier, for streams whose "key" packets only begin a
    ///     gradual refresh.
    ///   - fromStart: the container cannot seek.
    func plan(ranks: [Int], stepBack: Int = 0, fromStart: Bool) -> [DecodeTask] {
        var tasks: [DecodeTask] = []
        for rank in ranks.sorted() where rank < total && byRank[rank] >= 0 {
            let index = Int(byRank[rank])
            let start = fromStart ? 0 : self.start(for: index, stepBack: stepBack)
            tasks.append(DecodeTask(start: start, last: completion(of: index), targets: [rank]))
        }
        tasks.sort { ($0.start, $0.last) < ($1.start, $1.last) }
        var merged: [DecodeTask] = []
        for task in tasks {
            if let current = merged.last, task.start <= current.last {
                merged[merged.count - 1].last = max(current.last, task.last)
                merged[merged.count - 1].targets.formUnion(task.targets)
            } else {
                merged.append(task)
            }
        }
        return merged
    }

    /// The packet that completes a frame: its second field may follow in a packet of its own.
    private func completion(of index: Int) -> Int {
        let next = index + 1
        guard next < entries.count, !entries[next].isShown, !entries[next].isKey else {
            return index
        }
        return next
    }

    /// Where decoding must start for a packet.
    private func start(for index: Int, stepBack: Int) -> Int {
        guard var group = group(of: index) else { return 0 }
        // A leading picture of an open group refers to the group before.
        let key = entries[keys[group]]
        if entries[index].epoch == key.epoch, entries[index].pts < key.pts { group -= 1 }
        group -= stepBack
        return group >= 0 ? keys[group] : (keys.first ?? 0)
    }
}
