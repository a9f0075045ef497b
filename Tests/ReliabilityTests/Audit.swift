import Crypto
import Foundation
import Jobs
import Synchronization
import Testing

/// All that a queue says when nothing runs any more, read through `TransferableQueue`, the same on
/// every back end.
struct Audit: Sendable {
    struct Job: Sendable {
        var state: String
        var contentID: String
        var question: String
        var attemptsMade: Int64
        var crashes: Int64
        var errorClass: String?
        var errorCode: String?
    }
    struct Attempt: Sendable {
        var job: JobID
        var outcome: String?
        var startedAt: Int64
    }

    var jobs: [JobID: Job] = [:]
    var attempts: [AttemptID: Attempt] = [:]
    var answers: [JobID: (attempt: AttemptID, text: String)] = [:]
    /// Answers read, also should two be of one job.
    var answerCount = 0

    init(_ queue: any TransferableQueue) async throws {
        let tables = Mutex<[String: [[String: ResultRow.Value]]]>([:])
        try await queue.readAll(chunk: 1000) { chunk in
            guard ["videos", "jobs", "attempts", "answers"].contains(chunk.table) else { return }
            let rows = chunk.rows.map { row in
                Dictionary(zip(chunk.columns, row), uniquingKeysWith: { first, _ in first })
            }
            tables.withLock { $0[chunk.table, default: []] += rows }
        }
        let read = tables.withLock { $0 }
        var contents: [Int64: String] = [:]
        for row in read["videos"] ?? [] {
            contents[try row.integer("video_id")] = try row.text("content_id")
        }
        for row in read["jobs"] ?? [] {
            jobs[try row.integer("job_id")] = Job(
                state: try row.text("state"),
                contentID: try #require(contents[try row.integer("video_id")]),
                question: try row.text("question"),
                attemptsMade: try row.integer("attempts_made"),
                crashes: try row.integer("crashes"), errorClass: row.optionalText("error_class"),
                errorCode: row.optionalText("error_code"))
        }
        for row in read["attempts"] ?? [] {
            attempts[try row.integer("attempt_id")] = Attempt(
                job: try row.integer("job_id"), outcome: row.optionalText("outcome"),
                startedAt: try row.integer("started_at_ms"))
        }
        for row in read["answers"] ?? [] {
            answerCount += 1
            answers[try row.integer("job_id")] = (
                try row.integer("attempt_id"), try row.text("answer")
            )
        }
    }

    /// Attempts with this outcome.
    func count(_ outcome: String) -> Int { attempts.values.count { $0.outcome == outcome } }

    /// What `storm-worker` answers.
    static func expectedAnswer(contentID: String, question: String) -> String {
        SHA256.hash(data: Data("\(contentID)|\(question)".utf8))
            .map { String($0, radix: 16) }.joined(separator: ".")
    }

    /// What must hold of any queue whose jobs have all ended: every job that succeeded has its one right
    /// answer of its one attempt that succeeded, no other job has any, no attempt is open.
    func expectWhole(location: SourceLocation = #_sourceLocation) {
        var wrong: [String] = []
        var succeeded: [JobID: [AttemptID]] = [:]
        for (id, attempt) in attempts {
            if attempt.outcome == nil { wrong.append("attempt \(id) is open") }
            if attempt.outcome == "succeeded" { succeeded[attempt.job, default: []].append(id) }
        }
        for (id, job) in jobs {
            let answer = answers[id]
            guard job.state == "succeeded" else {
                if answer != nil { wrong.append("job \(id) is \(job.state) and has an answer") }
                continue
            }
            guard let answer else {
                wrong.append("job \(id) succeeded without an answer")
                continue
            }
            if succeeded[id] != [answer.attempt] {
                wrong.append(
                    "job \(id): its answer is of attempt \(answer.attempt), succeeded have "
                        + "\(succeeded[id] ?? [])")
            }
            let expected = Self.expectedAnswer(contentID: job.contentID, question: job.question)
            if answer.text != expected { wrong.append("job \(id) has another job's answer") }
        }
        if answerCount != answers.count { wrong.append("two answers of one job") }
        #expect(wrong.sorted().prefix(20) == [], sourceLocation: location)
    }

    /// Every job succeeded.
    func expectAllAnswered(_ count: Int, location: SourceLocation = #_sourceLocation) {
        #expect(jobs.count == count, sourceLocation: location)
        let others = jobs.filter { $0.value.state != "succeeded" }
        #expect(
            others.isEmpty,
            "\(others.count) jobs did not succeed: \(others.sorted { $0.key < $1.key }.prefix(5))",
            sourceLocation: location)
        #expect(answers.count == count, sourceLocation: location)
        expectWhole(location: location)
    }

    /// Every answer that a worker was told is stored stands there, of that attempt, and no worker was
    /// told twice.
    func expectStored(
        _ acknowledged: [(job: JobID, attempt: AttemptID)],
        location: SourceLocation = #_sourceLocation
    ) {
        let wrong = acknowledged.filter { answers[$0.job]?.attempt != $0.attempt }
        #expect(
            wrong.isEmpty, "\(wrong.count) acknowledged answers are not those stored",
            sourceLocation: location)
        #expect(
            Set(acknowledged.map(\.job)).count == acknowledged.count,
            "an answer was acknowledged twice", sourceLocation: location)
    }
}

extension [String: ResultRow.Value] {
    fileprivate func integer(_ name: String) throws -> Int64 {
        guard case .integer(let value)? = self[name] else {
            throw QueueError(.corrupt, "\(name): expected a number, found \(self[name] as Any)")
        }
        return value
    }

    fileprivate func text(_ name: String) throws -> String {
        guard let text = optionalText(name) else {
            throw QueueError(.corrupt, "\(name): expected a text, found \(self[name] as Any)")
        }
        return text
    }

    fileprivate func optionalText(_ name: String) -> String? {
        if case .text(let value)? = self[name] { value } else { nil }
    }
}
