import Foundation
import Jobs

/// PostgreSQL's own benchmark program on the statements that `PostgresQueue` sends.
struct PgBench {
    var url: String
    var clients: Int
    var seconds: Double
    var folder: QueueFolder

    /// Jobs claimed and completed in a second.
    func run(_ queue: any QueueStore) async throws -> Double {
        let worker = try await queue.register(.current(device: "cpu", version: "pgbench"))
        let script = folder.file("pgbench.sql")
        try Self.script(worker: worker).write(toFile: script, atomically: true, encoding: .utf8)
        let child = try BenchChild(
            "/usr/bin/env",
            [
                "pgbench", "--no-vacuum", "--protocol=prepared", "--client=\(clients)",
                "--jobs=\(clients)", "--time=\(max(1, Int(seconds)))", "--file=\(script)", url,
            ],
            // The queue's tables, as its own sessions find them.
            environment: ["PGOPTIONS": "-c search_path=zipvl"])
        let output = try child.text()
        try await queue.unregister(worker, reason: "end")
        let line = output.split(separator: "\n").first { $0.hasPrefix("tps = ") }
        guard let tps = line?.split(separator: " ").dropFirst(2).first.flatMap({ Double($0) })
        else { throw BenchChild.Failed(description: "pgbench says no tps: \(output)") }
        return tps
    }

    /// A claim of one job, then its answer.
    private static func script(worker: WorkerID) throws -> String {
        let environment = PostgresEnvironment()
        let claim = PostgresClaimQuery(
            now: environment.now, version: environment.migrations.last?.version ?? 0)
        let complete = PostgresQueue.complete(now: environment.now)
        // The values of its arguments by the columns that they are stored in.
        guard let list = complete.firstRange(of: "recorded_at_ms,"),
            let end = complete[list.upperBound...].firstIndex(of: ")")
        else { throw BenchChild.Failed(description: "the statement of complete has changed") }
        let columns = complete[list.upperBound..<end].split(separator: ",")
            .map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
        let texts = [
            "answer": "'\(Answer.bench.answer)'", "choice": "'B'", "finish_reason": "'stop'",
            "warnings_json": "'[]'", "extra_json": "'\(Answer.bench.extraJSON ?? "{}")'",
            "correct": "NULL", "kept_token_ratio_mean": "0.25", "substituted_frames": "NULL",
        ]
        var arguments = [":attempt_id"]
        arguments += columns.map { texts[$0] ?? "100" }
        return filled(
            claim.claim(withLimits: false), ["'{}'", "NULL", "\(worker)", "1", "60000"])
            + " \\gset\n" + filled(complete, arguments) + ";\n"
    }

    /// The statement with values for `$1`, `$2` …, the last ones first, as `$1` begins `$12`.
    private static func filled(_ statement: String, _ arguments: [String]) -> String {
        arguments.indices.reversed().reduce(statement) {
            $0.replacing("$\($1 + 1)", with: arguments[$1])
        }
    }
}
