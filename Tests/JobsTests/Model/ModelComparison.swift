import Testing

@testable import Jobs

/// A sequence on the model and on a back end, side by side.
struct ModelComparison {
    /// The queue to be compared, made empty.
    let empty: () async throws -> QueueUnderTest

    /// What differed first, or `nil`.
    func difference(_ operations: [ModelOperation]) async throws -> String? {
        let other = ModelDriver(try await empty())
        let clock = other.test.clock
        let model = ModelDriver(try .memory(seesLives: other.test.seesLives, clock: clock))
        for (step, operation) in operations.enumerated() {
            if case .advance(let milliseconds) = operation {
                clock.advance(milliseconds: milliseconds)
            }
            let expected = await model.apply(operation)
            let found = await other.apply(operation)
            if expected != found {
                return "step \(step), \(operation):\n  model: \(expected)\n  found: \(found)"
            }
        }
        let expected = try await model.visibleState()
        let found = try await other.visibleState()
        guard expected != found else { return nil }
        let missing = expected.filter { !found.contains($0) }.map { "  model: \($0)" }
        let extra = found.filter { !expected.contains($0) }.map { "  found: \($0)" }
        let lines = missing + extra
        return "at the end:\n" + (lines.isEmpty ? "  another order" : lines.joined(separator: "\n"))
    }

    /// Drops operations, and items of enqueues, as long as there is a difference.
    func shrunk(_ operations: [ModelOperation]) async throws -> [ModelOperation] {
        var operations = operations
        var size = max(operations.count / 2, 1)
        while true {
            var index = 0
            var hasShrunk = false
            while index < operations.count {
                var fewer = operations
                fewer.removeSubrange(index..<min(index + size, fewer.count))
                if try await difference(fewer) != nil {
                    operations = fewer
                    hasShrunk = true
                } else {
                    index += size
                }
            }
            if size > 1 { size /= 2 } else if !hasShrunk { break }
        }
        for index in operations.indices {
            guard case .enqueue(let batch, var items) = operations[index] else { continue }
            for item in items.indices.reversed() {
                var fewer = items
                fewer.remove(at: item)
                var trial = operations
                trial[index] = .enqueue(batch: batch, fewer)
                if try await difference(trial) != nil {
                    operations = trial
                    items = fewer
                }
            }
        }
        return operations
    }

    /// Runs the sequences of these seeds and tells of the first few that differ.
    func run(seeds: Range<UInt64>) async throws {
        var faults = 0
        for seed in seeds {
            let operations = ModelOperation.sequence(seed: seed)
            guard try await difference(operations) != nil else { continue }
            let shortest = try await shrunk(operations)
            let difference = try await difference(shortest) ?? "it did not happen again"
            let steps = shortest.map { "  .\($0)," }.joined(separator: "\n")
            Issue.record("seed \(seed), \(shortest.count) operations:\n\(steps)\n\(difference)")
            faults += 1
            if faults >= 3 { break }
        }
    }
}
