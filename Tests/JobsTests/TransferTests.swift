import Foundation
import GRDB
import Synchronization
import Testing

@testable import Jobs

@Suite struct TransferTests {
    /// A queue with rows in every table.
    private func filled() async throws -> TestQueue {
        let test = try TestQueue()
        try await test.enqueue(7) {
            $0.question = "What's \"that\",\n'; DROP TABLE jobs; -- %n ünï?"
        }
        let worker = try await test.worker()
        for _ in 0..<3 {
            _ = try await test.queue.complete(test.claim(worker).attempt, .sample("ä\t\n"))
        }
        _ = try await test.queue.fail(test.claim(worker).attempt, .sample(.input), retryAt: nil)
        _ = try await test.queue.hold(JobSelection())
        try await test.queue.unregister(worker, reason: "drained")
        try await test.queue.pause(queue: "later")
        try await test.execute(
            """
            INSERT INTO evaluations VALUES (5, 'e', 'm', hex(zeroblob(32)), 'mlvu', 'x', 'y', 1);
            INSERT INTO evaluation_items (evaluation_id, item, video, question, expected)
                VALUES (5, 0, 'v', 'q', 'A'), (5, 1, 'v', 'q', 'B');
            INSERT INTO evaluation_methods VALUES (8, 5, 'dense', 4, '{}');
            INSERT INTO evaluation_answers (method_id, item, error_class, recorded_at_ms)
                VALUES (8, 0, 'input', 1), (8, 1, 'input', 1);
            """)
        return test
    }

    private func chunks(_ queue: SQLiteQueue, _ size: Int) async throws -> [TransferChunk] {
        let chunks = Mutex<[TransferChunk]>([])
        try await queue.readAll(chunk: size) { chunk in chunks.withLock { $0.append(chunk) } }
        return chunks.withLock { $0 }
    }

    private func put(
        _ chunks: [TransferChunk], into queue: SQLiteQueue, failingAt limit: Int? = nil
    ) async throws {
        let next = Mutex(0)
        try await queue.writeAll {
            let index = next.withLock { index in
                defer { index += 1 }
                return index
            }
            if index == limit { throw QueueError(.unavailable, "the line was cut") }
            return index < chunks.count ? chunks[index] : nil
        }
    }

    @Test(arguments: [1, 2, 1000])
    func `all rows arrive, and the sums agree`(size: Int) async throws {
        let source = try await filled()
        let target = try TestQueue()
        let chunks = try await chunks(source.queue, size)
        #expect(chunks.allSatisfy { (1...size).contains($0.rows.count) })
        try await put(chunks, into: target.queue)
        let summary = try await source.queue.transferSummary()
        #expect(try await target.queue.transferSummary() == summary)
        #expect(summary.counts["answers"] == 3 && summary.counts["evaluation_answers"] == 2)
        #expect(summary.counts.values.allSatisfy { $0 > 0 }, "\(summary.counts)")
        for (table, key) in SQLiteQueue.tables {
            let rows = "SELECT * FROM \(table) ORDER BY \(key.joined(separator: ", "))"
            let old = try await source.queue.read {
                try Row.fetchAll($0, sql: rows).map { Array($0.databaseValues) }
            }
            let new = try await target.queue.read {
                try Row.fetchAll($0, sql: rows).map { Array($0.databaseValues) }
            }
            #expect(old == new, "\(table)")
        }
        #expect(try await target.findings().isEmpty)
        // Ids go on behind the largest.
        _ = try await target.queue.unhold(JobSelection())
        let last = try await target.value("SELECT max(attempt_id) FROM attempts", as: Int64.self)
        #expect(try await target.claim(try await target.worker()).attempt > last ?? 0)
    }

    @Test func `a transfer that is cut off leaves the target as it was`() async throws {
        let source = try await filled()
        let target = try TestQueue()
        let empty = try await target.queue.transferSummary()
        let chunks = try await chunks(source.queue, 2)
        let kind = await errorKind {
            try await put(chunks, into: target.queue, failingAt: chunks.count - 1)
        }
        #expect(kind == .unavailable)
        #expect(try await target.queue.transferSummary() == empty)
        try await put(chunks, into: target.queue)
        #expect(try await target.queue.transferSummary().counts["jobs"] == 7)
    }

    @Test func `running jobs and used targets are refused`() async throws {
        let source = try await filled()
        let used = try await filled()
        let all = try await chunks(source.queue, 100)
        #expect(await errorKind { try await put(all, into: used.queue) } == .invalid)
        _ = try await source.queue.unhold(JobSelection())
        _ = try await source.claim(try await source.worker())
        #expect(await errorKind { _ = try await chunks(source.queue, 9) } == .busy)
    }

    @Test func `what is read is one state of the queue`() async throws {
        let source = try await filled()
        let sum = try await source.queue.transferSummary()
        let target = try TestQueue()
        let read = Mutex<[TransferChunk]>([])
        try await source.queue.readAll(chunk: 1) { chunk in
            // Somebody adds jobs all the while.
            let count = read.withLock {
                $0.append(chunk); return $0.count
            }
            _ = try await source.queue.enqueue(.sample, [.sample(video: 1000 + count)])
        }
        try await put(read.withLock { $0 }, into: target.queue)
        #expect(try await target.queue.transferSummary() == sum)
    }
}
