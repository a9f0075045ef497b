import LongVA
import SparsePrefill
import Torch

/// One setting after the other, each at its best for those before it: milliseconds of a step, device time, over all
/// contexts.
struct DecodeSearch {
    let run: DecodeRun
    let contexts: [Int]

    /// Less is noise.
    private static let leastGain = 0.002
    private static let rounds = 3
    private static let steps = 8

    /// Changes that are tried against each other.
    private static let groups = [
        ["overlap=late", "overlap=early"],
        [
            "attention-warps=8 attention-stages=2",
            "attention-warps=4 attention-stages=3 attention-blocks=2",
            "attention-warps=4 attention-stages=2 attention-blocks=3",
            "attention-warps=4 attention-stages=6 attention-blocks=1",
        ],
        ["fetch=64", "fetch=256"],
        ["pieces=2 stages=3", "pieces=2 stages=4", "pieces=2 stages=5"],
        ["stages=4", "stages=6", "stages=8"],
        ["blocks=2", "blocks=4", "blocks=5"],
        ["input=0"],
        ["prefetch=4194304", "prefetch=8388608", "prefetch=16777216", "prefetch=25165824"],
        ["overlap=none", "overlap=late"],
    ]

    func search() throws {
        let caches = try contexts.map { try run.cache($0, 0) }
        var known: [DecodeTuning: [Double]] = [:]
        func measure(_ tuning: DecodeTuning) throws -> [Double]? {
            if let times = known[tuning] { return times }
            guard let graph = try run.graph(1, tuning) else { return nil }
            let times = try caches.map { cache in
                var least = Double.infinity
                for _ in 0..<Self.rounds {
                    let time = try graph.stepMilliseconds(run.sequences([cache]), steps: Self.steps)
                    least = min(least, time ?? .infinity)
                }
                return least
            }
            known[tuning] = times
            return times
        }
        func tell(_ change: String, _ tuning: DecodeTuning, _ times: [Double], _ better: Bool)
            throws
        {
            try printLine(
                DecodeTuneLine(
                    weights: run.subject.weights, change: change,
                    settings: DecodeSettings.text(tuning),
                    contexts: contexts, ms: times, is_better: better))
        }
        var best = run.tuning
        guard var bestTimes = try measure(best) else { return }
        try tell("start", best, bestTimes, true)
        for group in Self.groups {
            let start = best
            for change in group {
                let tuning = try DecodeSettings.tuning(change, from: start)
                guard known[tuning] == nil else { continue }
                do {
                    guard let times = try measure(tuning) else { continue }
                    let better = Self.cost(times, bestTimes) < 1 - Self.leastGain
                    try tell(change, tuning, times, better)
                    if better { (best, bestTimes) = (tuning, times) }
                } catch let error as TorchError {
                    // More shared memory or registers than there are.
                    try tell("\(change): \(error.message)", tuning, [], false)
                }
            }
        }
        try tell("best", best, bestTimes, true)
        guard let graph = try run.graph(1, best) else { return }
        for (context, cache) in zip(contexts, caches) {
            for part in try graph.partTimes(run.sequences([cache]), repeats: 10) {
                try printLine(
                    DecodePartLine(
                        context: context, batch: 1, weights: run.subject.weights,
                        overlapping: best.overlap != .none, part: part.name, ms: part.milliseconds,
                        gb_s: Double(part.bytes) / part.milliseconds / 1e6))
            }
        }
    }

    /// Mean share of the reference's times.
    private static func cost(_ times: [Double], _ reference: [Double]) -> Double {
        zip(times, reference).reduce(0) { $0 + $1.0 / $1.1 } / Double(times.count)
    }
}
