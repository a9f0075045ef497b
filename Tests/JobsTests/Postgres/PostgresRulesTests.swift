import Foundation
import QueueTestSupport
import Testing

@testable import Jobs

extension PostgresTests {
    @Suite struct Rules {
        @Test func `no more jobs of a queue run than it allows, whoever claims`() async throws {
            let test = try PostgresTestQueue()
            let ids = try await test.enqueue(60)
            try test.database.execute("UPDATE queues SET max_running = 3")
            try await withThrowingTaskGroup(of: [JobID].self) { group in
                for _ in 0..<6 {
                    let queue = try test.another()
                    let worker = try await test.worker(queue)
                    group.addTask {
                        var taken: [JobID] = []
                        var misses = 0
                        while misses < 20 {
                            let claims = try await queue.claim(
                                worker, filter: ClaimFilter(), limit: 2, lease: .seconds(60))
                            if claims.isEmpty {
                                misses += 1
                                try await Task.sleep(for: .milliseconds(5))
                                continue
                            }
                            misses = 0
                            let running = try test.database.value(
                                "SELECT count(*) FROM jobs WHERE state = 'running'")
                            #expect((running.flatMap { Int($0) } ?? 99) <= 3)
                            for claim in claims {
                                taken.append(claim.job)
                                _ = try await queue.complete(claim.attempt, .sample("x"))
                            }
                        }
                        return taken
                    }
                }
                let taken = try await group.reduce(into: []) { $0 += $1 }
                #expect(taken.sorted() == ids)
            }
        }

        @Test func `leases go by the server's clock`() async throws {
            let test = try PostgresTestQueue()
            let queue = try PostgresQueue(url: test.database.url)
            try await test.enqueue(1) { $0.runAt = Date(milliseconds: 0) }
            let worker = try await queue.register(
                WorkerInfo(host: "elsewhere", bootID: "b", pid: 1, device: "cpu", version: "test"))
            func serverTime() throws -> Double {
                let time = try test.database.value(
                    "SELECT extract(epoch FROM clock_timestamp()) * 1000")
                return try #require(time.flatMap { Double($0) })
            }
            let before = try serverTime()
            let claim = try await queue.claim(worker, filter: ClaimFilter(), lease: .seconds(3))
            let after = try serverTime()
            let end = try #require(claim).leaseUntil.timeIntervalSince1970 * 1000 - 3000
            #expect(before - 1 <= end && end <= after + 1)
            #expect(try await queue.rescue().isEmpty)
            try await Task.sleep(for: .milliseconds(3100))
            #expect(try await queue.rescue().map(\.fate) == [.requeued])
        }

        @Test func `a dead worker of this host is known at once, a living one kept`() async throws {
            let test = try PostgresTestQueue()
            let ids = try await test.enqueue(2)
            let (dead, living) = (try await test.worker(), try await test.worker())
            let lost = try await test.claim(dead)
            let kept = try await test.claim(living)
            test.clock.advance(seconds: 3600)
            #expect(try await test.queue.rescue().isEmpty, "a held lock outweighs any clock")
            test.queue.dropLock(dead)
            let other = try test.another()
            #expect(try await other.rescue().map(\.attempt) == [lost.attempt])
            #expect(try await test.queue.show(ids[0])?.job.state == .queued)
            #expect(try await test.queue.complete(lost.attempt, .sample("x")) == .leaseLost)
            #expect(try await test.queue.complete(kept.attempt, .sample("x")) == .stored)
        }

        @Test func `where a worker's lock cannot be seen, its lease decides`() async throws {
            let test = try PostgresTestQueue()
            try await test.enqueue(1)
            _ = try await test.claim(try await test.worker())
            // As from another container of the same kernel, with a /tmp of its own.
            try test.database.execute("UPDATE workers SET lock_path = '/nowhere/1.lock'")
            #expect(try await test.queue.rescue().isEmpty)
            test.clock.advance(seconds: 61)
            #expect(try await test.queue.rescue().count == 1)
        }

        @Test func `claim, ends and heartbeat use their indexes`() async throws {
            let test = try PostgresTestQueue()
            try test.database.execute(
                """
                INSERT INTO batches (name, source, spec_sha256, spec_json, created_at_ms, created_by)
                    VALUES ('b', 's', 'x', '{}', 0, 'me');
                INSERT INTO configs (fingerprint, model, model_sha256, options_json)
                    SELECT 'f' || i, 'embedded', 'm' || i % 2, '{}' FROM generate_series(1, 4) i;
                INSERT INTO videos (content_id, path, size_bytes, mtime_ns)
                    SELECT 'sha256:' || i, '/v/' || i, 1, 1 FROM generate_series(1, 5000) i;
                INSERT INTO jobs (batch_id, video_id, config_id, question, dedupe_key, run_at_ms,
                    created_at_ms, priority)
                    SELECT 1, 1 + i % 5000, 1 + i % 4, 'q', 'k' || i, 1, 1, i % 3
                    FROM generate_series(1, 20000) i;
                """)
            let query = PostgresClaimQuery(now: "5::bigint", version: 4)
            func plan(_ sql: String, _ arguments: PostgresSession.Arguments) async throws -> String
            {
                try await test.queue.work.perform(within: .seconds(10)) { session in
                    try session.script("BEGIN")
                    let rows = try session.run("EXPLAIN \(sql)", arguments)
                    try session.script("ROLLBACK")
                    return try rows.map { try $0.value("QUERY PLAN") as String }.joined(
                        separator: "\n")
                }
            }
            for withLimits in [false, true] {
                let claim = try await plan(
                    query.claim(withLimits: withLimits), [[String](), "m1", 1, 4, 60_000])
                #expect(!claim.contains("Seq Scan on jobs"), "\(claim)")
                #expect(claim.contains("using jobs_claim on jobs"))
                #expect(claim.contains("using jobs_companions on jobs"))
            }
            let complete = try await plan(
                PostgresQueue.complete(now: "5::bigint"), [7] + Answer.sample("x").columns)
            #expect(complete.contains("using jobs_running on jobs"), "\(complete)")
            #expect(
                !complete.contains("Seq Scan on jobs") && !complete.contains("Seq Scan on attempts")
            )
            let beat = try await plan(
                PostgresQueue.heartbeat(now: "5::bigint"), [1, 60_000, [7], [0.5], ["prefill"]])
            #expect(beat.contains("using jobs_running on jobs"), "\(beat)")
            #expect(!beat.contains("Seq Scan on jobs") && !beat.contains("Seq Scan on attempts"))
            let held = try await plan(PostgresQueue.heldJobs, [])
            // All running jobs: by one walk along the index, or a bitmap of it.
            #expect(held.contains("jobs_running"), "\(held)")
            #expect(!held.contains("Seq Scan on jobs") && !held.contains("Seq Scan on attempts"))
        }

        @Test func `hostile texts come back as they were`() async throws {
            let test = try PostgresTestQueue()
            let texts = [
                "'; DROP TABLE zipvl.jobs; --", "%n%s\\x00 \\ \" {\"a\",NULL} $1",
                "\u{1}\u{7F}\t\r\n\u{85}",
                "\u{202E}تسجيل 🎥 e\u{301}", String(repeating: "ä", count: 32768), "NULL", "{}",
                "\\N",
            ]
            let jobs = texts.enumerated().map { index, text in
                var job = NewJob.sample(video: index, question: text)
                job.video.path = "/videos/" + String(text.prefix(4000))
                job.customID = text
                job.expected = text
                job.choices = [text, ""]
                return job
            }
            let ids = try await test.queue.enqueue(.sample, jobs).inserted
            #expect(ids.count == texts.count)
            let worker = try await test.worker()
            for (index, text) in texts.enumerated() {
                let claim = try await test.claim(worker)
                #expect(claim.job == ids[index] && claim.question == text && claim.customID == text)
                #expect(claim.expected == text && claim.choices == [text, ""])
                #expect(claim.video.path == jobs[index].video.path)
                var answer = Answer.sample(text + "\0")
                answer.warnings = [text, "a\0b"]
                #expect(try await test.queue.complete(claim.attempt, answer) == .stored)
                let stored = try await test.queue.show(claim.job)?.answer
                #expect(stored?.answer == text + "\u{FFFD}")
                #expect(stored?.warnings == [text, "a\u{FFFD}b"])
            }
            var selection = JobSelection()
            selection.customID = texts[0]
            let found = try await test.queue.results(selection, limit: nil)
            #expect(found.count == 1 && found[0]["question"] == .text(texts[0]))
            var bad = NewJob.sample(video: 99, question: "a\0b")
            bad.video.path = "/videos/bad.mp4"
            let error = await #expect(throws: QueueError.self) {
                try await test.queue.enqueue(.sample, [bad])
            }
            #expect(error?.kind == .invalid && error?.message.contains("/videos/bad.mp4") == true)
        }

        @Test func `a queue goes to SQLite and back without a difference`() async throws {
            let test = try PostgresTestQueue()
            try await test.enqueue(25) { $0.question += " 'x' \\ \"y\" {,}" }
            let worker = try await test.worker()
            for index in 0..<20 {
                let claim = try await test.claim(worker)
                if index % 3 == 0 {
                    _ = try await test.queue.fail(claim.attempt, .sample(.internal), retryAt: nil)
                } else {
                    var answer = Answer.sample("answer \(index)\n\t\\")
                    if index % 2 == 0 {
                        answer.choice = nil
                        answer.totalMS = 0.1 + Double(index) / 3
                    }
                    _ = try await test.queue.complete(claim.attempt, answer)
                }
            }
            try await test.queue.unregister(worker, reason: "end")
            let folder = try TemporaryFolder()
            let file = try SQLiteQueue(path: folder.file("q.db"))
            let summary = try await test.queue.transferSummary()
            #expect(summary.counts["jobs"] == 25 && summary.counts["answers"] == 13)
            try await Self.move(from: test.queue, to: file)
            #expect(try await file.transferSummary() == summary)
            let back = try PostgresTestQueue()
            try await Self.move(from: file, to: back.queue)
            #expect(try await back.queue.transferSummary() == summary)
            for job in try await test.queue.list(JobSelection(), limit: -1) {
                let (old, new) = (
                    try await test.queue.show(job.jobID), try await back.queue.show(job.jobID)
                )
                let between = try await file.show(job.jobID)
                #expect(old?.answer == new?.answer && old?.answer == between?.answer)
                #expect(old?.attempts.map(\.outcome) == new?.attempts.map(\.outcome))
            }
            let rows = try await test.queue.results(JobSelection(), limit: nil)
            let copies = try await file.results(JobSelection(), limit: nil)
            for (row, copy) in zip(rows, copies) {
                #expect(row.columns.map(\.name) == copy.columns.map(\.name))
                #expect(row.columns.map(\.value) == copy.columns.map(\.value))
            }
            // Ids go on behind the largest.
            let next = try await back.queue.enqueue(.sample, [.sample(video: 777)]).inserted
            #expect(next == [26])
            let kind = await errorKind { try await Self.move(from: file, to: back.queue) }
            #expect(kind == .invalid)
        }

        private static func move(from: any QueueStore, to: any QueueStore) async throws {
            let (stream, continuation) = AsyncStream.makeStream(of: TransferChunk.self)
            try await from.readAll(chunk: 7) { continuation.yield($0) }
            continuation.finish()
            let source = Source(stream)
            try await to.writeAll { await source.next() }
        }

        private actor Source {
            private var chunks: [TransferChunk] = []
            private let stream: AsyncStream<TransferChunk>
            private var isRead = false

            init(_ stream: AsyncStream<TransferChunk>) { self.stream = stream }

            func next() async -> TransferChunk? {
                if !isRead {
                    isRead = true
                    for await chunk in stream { chunks.append(chunk) }
                }
                return chunks.isEmpty ? nil : chunks.removeFirst()
            }
        }

        @Test func `a backup is a queue of its own, made while work goes on`() async throws {
            let test = try PostgresTestQueue()
            try await test.enqueue(5)
            let worker = try await test.worker()
            let claim = try await test.claim(worker)
            _ = try await test.queue.complete(claim.attempt, .sample("x"))
            _ = try await test.claim(worker)
            let folder = try TemporaryFolder()
            try await test.queue.backup(to: folder.file("copy.db"))
            let copy = try SQLiteQueue(path: folder.file("copy.db"))
            #expect(try await copy.transferSummary() == (try await test.queue.transferSummary()))
            #expect(try await copy.show(claim.job)?.answer == .sample("x"))
            let kind = await errorKind { try await test.queue.backup(to: folder.file("copy.db")) }
            #expect(kind == .invalid)
        }
    }
}
