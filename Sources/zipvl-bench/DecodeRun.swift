import LongVA
import SparsePrefill
import Torch

/// Steps of one decoder behind caches of random entries.
struct DecodeRun {
    let decoder: Qwen2Model
    let machine: LoadedMachine
    let steps: Int
    let runs: Int
    let tuning: DecodeTuning
    let subject: DecodeLine.Subject

    /// As the checkpoint has it.
    private static let penalty: Float = 1.05

    private enum Path {
        case plain
        case graph(GraphDecoder)
    }

    private struct Outcome {
        let milliseconds: Double
        let ids: [[Int]]
    }

    func graph(_ sequences: Int, _ tuning: DecodeTuning? = nil) throws -> GraphDecoder? {
        try GraphDecoder.make(
            decoder, sequences: sequences, tokenCount: decoder.decoderSizes.vocabulary,
            repetitionPenalty: Self.penalty, tuning: tuning ?? self.tuning)
    }

    func measure(_ context: Int, batch: Int, plain: Bool, overlapping: Bool, parts: Bool) throws {
        var paths: [(name: String, path: Path)] = []
        if let together = try graph(batch) {
            let isGraph = batch <= DecodeTarget.mostSequences
            paths.append((isGraph ? "graph" : "batch", .graph(together)))
            var other = tuning
            other.overlap = .late
            if isGraph, overlapping, let overlapping = try graph(batch, other) {
                paths.append(("graph:overlapping", .graph(overlapping)))
            }
        }
        if plain || paths.isEmpty, batch == 1 { paths.append(("plain", .plain)) }
        let caches = try (0..<batch).map { try cache(context, $0) }
        var times = [Measurement](repeating: Measurement(), count: paths.count)
        var ids = [[[Int]]](repeating: [], count: paths.count)
        for run in 0...runs {
            for (index, entry) in paths.enumerated() {
                let outcome = try decode(entry.path, caches)
                if run > 0 { times[index].add(outcome.milliseconds) }
                ids[index] = outcome.ids
            }
        }
        let reference = paths.firstIndex { $0.name == "plain" }
        for (index, entry) in paths.enumerated() {
            let difference = reference.flatMap { reference in
                zip(ids[index][0], ids[reference][0]).enumerated().first { $1.0 != $1.1 }?.offset
            }
            try line(
                entry.name, context, batch, false, times[index], caches, difference,
                path: entry.path)
            guard parts, case .graph(let graph) = entry.path else { continue }
            for part in try graph.partTimes(
                sequences(caches), repeats: 10)
            {
                try printLine(
                    DecodePartLine(
                        context: context, batch: batch, weights: subject.weights,
                        overlapping: entry.name == "graph:overlapping", part: part.name,
                        ms: part.milliseconds,
                        gb_s: Double(part.bytes) / part.milliseconds / 1e6))
            }
        }
    }

    /// As many sequences as the memory holds, each with a cache of its own.
    func measureFull(_ context: Int, reserve: Int) throws {
        guard let gpu = machine.gpu else {
            return try measure(context, batch: 2, plain: false, overlapping: false, parts: false)
        }
        var caches: [KVCache] = []
        while true {
            let free = try gpu.freeMemory()
            let next = Int(caches.first?.byteCount ?? 0)
            guard caches.isEmpty || free > next + next / 8 + reserve else { break }
            caches.append(try cache(context, caches.count))
        }
        guard let graph = try graph(caches.count) else { return }
        var times = Measurement()
        for run in 0...runs {
            let outcome = try decode(.graph(graph), caches)
            if run > 0 { times.add(outcome.milliseconds) }
        }
        try line("batch", context, caches.count, true, times, caches, nil, path: .graph(graph))
    }

    private func line(
        _ name: String, _ context: Int, _ batch: Int, _ fillsMemory: Bool, _ times: Measurement,
        _ caches: [KVCache], _ difference: Int?, path: Path
    ) throws {
        var weightBytes = 0
        if case .graph(let graph) = path { weightBytes = try graph.weightBytes() }
        if weightBytes == 0 { weightBytes = try self.graph(1)?.weightBytes() ?? 0 }
        let bytes = caches.reduce(Int64(weightBytes)) { $0 + $1.byteCount }
        try printLine(
            DecodeLine(
                subject, name, context: context, batch: batch, fillsMemory: fillsMemory,
                steps: steps, times: times, readBytes: bytes, firstDifference: difference))
    }

    func cache(_ context: Int, _ index: Int) throws -> KVCache {
        try KVCache(
            randomEntries: context, room: steps + 2, for: decoder,
            seed: machine.seed &+ UInt64(index))
    }

    /// Each starts with a token of its own; none ends before the last step.
    func sequences(_ caches: [KVCache]) -> [DecodingSequence] {
        caches.enumerated().map { index, cache in
            DecodingSequence(
                cache: cache, first: 1 + index, position: 20_000, limit: steps + 2,
                endOfSequence: [])
        }
    }

    /// Milliseconds of a step: all but the first, which carries what is set up. Steps of a run write over
    /// the same entries as those of the run before.
    private func decode(_ path: Path, _ caches: [KVCache]) throws -> Outcome {
        var running = sequences(caches)
        var start = ContinuousClock.now
        var end = start
        func tell(_ step: Int) {
            if step == 1 { start = ContinuousClock.now }
            if step == steps + 1 { end = ContinuousClock.now }
        }
        switch path {
        case .graph(let graph):
            try graph.decode(&running, endOfSequence: []) { step, _ in tell(step) }
        case .plain:
            let greedy = GreedyDecoding(
                tokenCount: decoder.decoderSizes.vocabulary, repetitionPenalty: Self.penalty)
            for step in 1...steps + 1 {
                try running[0].step(by: decoder, greedy, endOfSequence: [])
                tell(step)
            }
        }
        return Outcome(
            milliseconds: (end - start) / .milliseconds(1) / Double(steps),
            ids: running.map(\.ids))
    }
}
