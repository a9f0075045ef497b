import Foundation
import GRDB
import Glibc
import Testing

@testable import Jobs

/// Whatever is asked often must not look at more rows than it returns.
@Suite struct QueryPlanTests {
    private func plan(_ test: TestQueue, _ sql: String) async throws -> String {
        try await test.queue.read { db in
            let statement = try db.makeStatement(sql: "EXPLAIN QUERY PLAN " + sql)
            var arguments: [String: (any DatabaseValueConvertible)?] = [:]
            let names = ["queue", "config", "below", "priority", "now", "head", "limit", "video"]
            for name in names where sql.contains(":\(name)") { arguments[name] = 1 }
            if sql.contains("?") {
                let count = max(
                    sql.filter { $0 == "?" }.count - sql.matches(of: /\?\d/).count,
                    sql.matches(of: /\?(\d)/).compactMap { Int($0.1) }.max() ?? 0)
                return try Row.fetchAll(
                    statement, arguments: StatementArguments([Int](repeating: 1, count: count))
                ).map { $0["detail"] as String }.joined(separator: "\n")
            }
            return try Row.fetchAll(statement, arguments: StatementArguments(arguments))
                .map { $0["detail"] as String }.joined(separator: "\n")
        }
    }

    @Test(
        arguments: [
            (HeadSearch.priorityQuery(byConfig: false), "INDEX jobs_claim "),
            (HeadSearch.headQuery(byConfig: false), "INDEX jobs_claim "),
            (HeadSearch.priorityQuery(byConfig: true), "INDEX jobs_claim_config "),
            (HeadSearch.headQuery(byConfig: true), "INDEX jobs_claim_config "),
            (HeadSearch.companionPriorityQuery, "INDEX jobs_companions "),
            (HeadSearch.companionQuery, "INDEX jobs_companions "),
            (SQLiteQueue.prolongQuery, "SEARCH jobs USING INTEGER PRIMARY KEY"),
            (SQLiteQueue.succeedQuery, "SEARCH jobs USING INTEGER PRIMARY KEY"),
            (SQLiteQueue.runningQuery, "SEARCH jobs USING INTEGER PRIMARY KEY"),
            (SQLiteQueue.blameQuery, "INDEX attempts_open "),
        ])
    func `claim, heartbeat, completion and blame seek`(query: String, index: String) async throws {
        let test = try TestQueue()
        let plan = try await plan(test, query)
        #expect(plan.contains(index), "\(plan)")
        #expect(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "\(plan)")
    }

    @Test func `rescue looks at running jobs only`() async throws {
        let plan = try await plan(try TestQueue(), SQLiteQueue.heldQuery)
        #expect(plan.contains("SCAN j USING INDEX jobs_lease"), "\(plan)")
        #expect(!plan.contains("SCAN t") && !plan.contains("SCAN w"), "\(plan)")
    }

    /// What this thread has used, however busy the machine is.
    private static func processorTime() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
    }

    @Test func `a claim among many jobs of other models and of later is quick`() async throws {
        let test = try TestQueue()
        try await test.execute(
            """
            INSERT INTO batches VALUES (1, 'b', '-', 's', '{}', 0, 'me');
            INSERT INTO configs VALUES (1, 'f1', 'a', 'm1', 'any', '{}'), (2, 'f2', 'b', 'm2', 'any', '{}');
            INSERT INTO videos (video_id, content_id, path, size_bytes, mtime_ns)
                VALUES (1, 'sha256:1', '/v', 1, 1);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
            INSERT INTO jobs (job_id, batch_id, video_id, config_id, question, dedupe_key, priority, run_at_ms,
                created_at_ms)
            SELECT i, 1, 1, 1 + (i < 50000), 'q', i, (i < 50000) + (i < 99000),
                CASE WHEN i < 99000 THEN 9e15 ELSE 1 END, 0 FROM n;
            UPDATE jobs SET run_at_ms = 1 WHERE config_id = 2;
            """)
        var times: [Duration] = []
        for _ in 0..<20 {
            let (jobs, time) = try await test.queue.read { db in
                let start = Self.processorTime()
                let search = HeadSearch(db: db, now: 2)
                let head = try search.head(ClaimFilter(modelSHA256: "m1"))
                let more = try search.companions(of: head?.job ?? 0, limit: 3)
                return ([head?.job ?? 0] + more, Self.processorTime() - start)
            }
            #expect(jobs == [99000, 99001, 99002, 99003])
            times.append(time)
        }
        // A look at all rows takes some 50 ms.
        let best = try #require(times.min())
        #expect(best < .milliseconds(5), "\(times)")
    }
}
