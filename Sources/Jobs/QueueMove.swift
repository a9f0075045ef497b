import Schema

/// Copies a whole queue into another one that is empty.
package struct QueueMove: Sendable {
    private let source: any QueueStore
    private let target: any QueueStore
    private let chunk: Int

    /// - Parameter chunk: rows that are held at a time
    package init(from source: any QueueStore, to target: any QueueStore, chunk: Int = 1000) {
        self.source = source
        self.target = target
        self.chunk = chunk
    }

    /// Moves all rows in one transaction of the target and compares both sides.
    ///
    /// - Returns: counts and checksum, the same on both sides
    /// - Throws: `busy` when jobs are running or were changed meanwhile, `invalid` when the target has
    ///   jobs, `corrupt` when the sides differ afterwards; what the queues throw
    package func run() async throws -> TransferSummary {
        let before = try await source.transferSummary()
        let pipe = TransferPipe()
        try await withThrowingTaskGroup { group in
            group.addTask { [source, chunk] in
                do {
                    try await source.readAll(chunk: chunk) { try await pipe.send($0) }
                    await pipe.finish(nil)
                } catch {
                    await pipe.finish(error)
                    throw error
                }
            }
            group.addTask { [target] in
                do {
                    try await target.writeAll { try await pipe.receive() }
                } catch {
                    // The reader must not wait for somebody who left.
                    await pipe.finish(error)
                    throw error
                }
            }
            try await group.waitForAll()
        }
        let (after, copy) = (try await source.transferSummary(), try await target.transferSummary())
        guard after == before else {
            throw QueueError(
                .busy,
                "\(source.title) was changed while it was moved: empty \(target.title) and move again"
            )
        }
        guard copy == before else {
            throw QueueError(
                .corrupt,
                "\(target.title) is not what \(source.title) is: \(Self.difference(before, copy)); "
                    + "do not use it")
        }
        return before
    }

    private static func difference(_ old: TransferSummary, _ new: TransferSummary) -> String {
        let names = Set(old.counts.keys).union(new.counts.keys).sorted()
        var parts = names.compactMap { name in
            let (a, b) = (old.counts[name] ?? 0, new.counts[name] ?? 0)
            return a == b ? nil : "\(name) has \(b) rows, expected \(a)"
        }
        if old.answersSHA256 != new.answersSHA256 {
            parts.append(
                "answers have the checksum \(new.answersSHA256), expected \(old.answersSHA256)")
        }
        return parts.joined(separator: ", ")
    }
}

extension QueueLocation {
    /// Of this program, the same number on all back ends.
    package static var schemaVersion: Int { Schema.sqlite.last?.version ?? 0 }
}

/// Hands chunks from who reads to who writes, one at a time.
actor TransferPipe {
    private var chunk: TransferChunk?
    private var hasEnded = false
    private var failure: (any Error)?
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// Returns when the chunk before was taken.
    func send(_ next: TransferChunk) async throws {
        while chunk != nil, !hasEnded { await pause() }
        if hasEnded { throw failure ?? CancellationError() }
        chunk = next
        wake()
    }

    /// `nil` at the end.
    func receive() async throws -> TransferChunk? {
        while chunk == nil, !hasEnded { await pause() }
        if let failure { throw failure }
        defer { wake() }
        let next = chunk
        chunk = nil
        return next
    }

    /// The first one counts.
    func finish(_ error: (any Error)?) {
        if !hasEnded {
            hasEnded = true
            failure = error
        }
        wake()
    }

    private func pause() async {
        await withCheckedContinuation { waiting.append($0) }
    }

    private func wake() {
        for continuation in waiting { continuation.resume() }
        waiting = []
    }
}
