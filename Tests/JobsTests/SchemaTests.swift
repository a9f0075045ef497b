import Foundation
import GRDB
import Schema
import Testing

@testable import Jobs

@Suite struct SchemaTests {
    @Test func `results has the published columns in the published order`() async throws {
        let test = try TestQueue()
        let columns = try await test.queue.read { db in
            try String.fetchAll(db, sql: "SELECT name FROM pragma_table_info('results')")
        }
        #expect(
            columns == [
                "job_id", "batch", "custom_id", "video", "question", "answer", "choice", "expected",
                "correct", "model", "method", "tau", "ffn", "kv", "premerge", "frames_used",
                "visual_tokens", "prompt_tokens", "output_tokens", "kept_token_ratio_mean",
                "attn_flops_dense", "attn_flops_used", "attn_flops_saved_pct",
                "attn_flops_saved_pct_paper", "llm_flops_dense", "llm_flops_used",
                "kv_cache_bytes_dense", "kv_cache_bytes_used", "kv_cache_saved_pct",
                "peak_host_mib", "peak_device_mib", "decode_video_ms", "vision_ms", "prefill_ms",
                "generate_ms", "total_ms", "warnings", "finished_at", "host", "device",
                "attempts_made", "options_json", "sampling", "substituted_frames",
            ])
    }

    @Test func `results computes savings, sizes, times and options of an answer`() async throws {
        let test = try TestQueue()
        try await test.enqueue(1) {
            $0.expected = "B"
            $0.customID = "a1"
        }
        let claim = try await test.claim(try await test.worker("cuda:0"))
        test.clock.advance(seconds: 7)
        _ = try await test.queue.complete(claim.attempt, .sample("two"))

        let rows = try await test.queue.results(JobSelection(), limit: nil)
        let row = try #require(rows.first)
        #expect(rows.count == 1)
        #expect(row["answer"] == .text("two"))
        #expect(row["custom_id"] == .text("a1"))
        #expect(row["correct"] == .integer(1))
        #expect(row["method"] == .text("zipvl"))
        #expect(row["tau"] == .real(0.975))
        #expect(row["ffn"] == .text("all"))
        #expect(row["kv"] == .text("discard"))
        #expect(row["premerge"] == .text("none"))
        #expect(row["attn_flops_saved_pct"] == .real(75))
        #expect(row["kv_cache_saved_pct"] == .real(75))
        #expect(row["peak_host_mib"] == .real(3))
        #expect(row["peak_device_mib"] == .real(2.5))
        #expect(row["warnings"] == .text("frame 3 missing; frame 9 missing"))
        #expect(row["sampling"] == .text("time"))
        #expect(row["substituted_frames"] == .text("[[1,3,2],[4,9,10]]"))
        #expect(row["finished_at"] == .text("2023-11-14T22:13:27.000Z"))
        #expect(row["device"] == .text("cuda:0"))
        #expect(row["attempts_made"] == .integer(1))
    }

    @Test func `an answer on the frames asked for has NULL where others have theirs`() async throws
    {
        let test = try TestQueue()
        try await test.enqueue(1)
        let claim = try await test.claim(try await test.worker())
        var answer = Answer.sample("two")
        answer.substitutedFrames = []
        _ = try await test.queue.complete(claim.attempt, answer)
        let row = try #require(try await test.queue.results(JobSelection(), limit: nil).first)
        #expect(row["substituted_frames"] == .null)
        #expect(try await test.queue.show(claim.job)?.answer == answer)
    }

    @Test(arguments: ["{}", "[[1,2]]", "[[1,2,3,4]]", "[1,2,3]", "[[1,2,\"3\"]]"])
    func `a list of other frames that is none is an error with its text`(
        _ text: String
    ) async throws {
        let test = try TestQueue()
        try await test.enqueue(1)
        let claim = try await test.claim(try await test.worker())
        _ = try await test.queue.complete(claim.attempt, .sample("two"))
        try await test.execute("UPDATE answers SET substituted_frames = '\(text)'")
        let error = await #expect(throws: QueueError.self) {
            try await test.queue.show(claim.job)
        }
        #expect(error?.kind == .corrupt)
        #expect(error?.message.contains(text) == true)
    }

    @Test(arguments: [
        "UPDATE jobs SET state = 'running'",
        "UPDATE jobs SET state = 'succeeded'",
        "UPDATE jobs SET state = 'lost'",
        "UPDATE jobs SET priority = 'high'",
        "UPDATE jobs SET priority = 1001",
        "UPDATE jobs SET question = ''",
        "UPDATE jobs SET progress = 1.5",
        "UPDATE jobs SET error_class = 'bad luck'",
        "UPDATE jobs SET video_id = 77",
        "UPDATE configs SET options_json = '{'",
    ])
    func `the tables refuse what makes no sense`(sql: String) async throws {
        let test = try TestQueue()
        try await test.enqueue(1)
        let kind = await errorKind { try await test.execute(sql) }
        #expect(kind == .invalid)
    }

    @Test func `failures and queue_status show jobs by what became of them`() async throws {
        let test = try TestQueue()
        try await test.enqueue(3) { $0.maxAttempts = 2 }
        let later = Date(milliseconds: test.clock.now + 60_000)
        var delayed = NewJob.sample(video: 10)
        delayed.runAt = Date(timeIntervalSinceNow: 3600)
        var held = NewJob.sample(video: 11)
        held.held = true
        _ = try await test.queue.enqueue(.sample, [delayed, held])
        let worker = try await test.worker()
        let first = try await test.claim(worker)
        _ = try await test.queue.fail(first.attempt, .sample(.input), retryAt: later)
        let second = try await test.claim(worker)
        _ = try await test.queue.fail(second.attempt, .sample(.resource), retryAt: later)

        let status = try #require(try await test.queue.status(batch: "night").first)
        #expect(status.held == 1 && status.ready == 1 && status.scheduled == 1)
        #expect(status.retrying == 1 && status.failed == 1 && status.succeeded == 0)
        let failure = try await test.queue.read { db in
            try String.fetchAll(
                db,
                sql: """
                    SELECT job_id || ' ' || error_class || ' ' || stage || ' ' || finished_at
                    FROM failures
                    """)
        }
        #expect(failure == ["\(first.job) input prefill 2023-11-14T22:13:20.000Z"])
    }

    @Test func `claiming and rescuing use their indexes`() async throws {
        let test = try TestQueue()
        let plans = try await test.queue.read { db in
            try [
                """
                SELECT j.job_id FROM jobs j CROSS JOIN configs c USING (config_id)
                WHERE j.state = 'queued' AND j.queue = 'default' AND j.run_at_ms <= 5
                ORDER BY j.priority DESC, j.run_at_ms, j.job_id LIMIT 1
                """,
                "SELECT job_id FROM jobs WHERE attempt_id = 5 AND state = 'running'",
            ].map { sql in
                try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN " + sql)
                    .map { $0["detail"] as String }.joined(separator: "; ")
            }
        }
        #expect(plans[0].contains("jobs_claim") && !plans[0].contains("TEMP B-TREE"))
        #expect(plans[1].contains("USING INDEX"))
    }
}
