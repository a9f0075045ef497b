package import Foundation
package import Jobs

/// One line of a log, as one JSON object. Keys that do not apply are left out.
package struct LogLine: Encodable, Sendable {
    /// ISO 8601 UTC with milliseconds.
    package var time: String
    package var event: String
    package var worker: String?
    package var job: JobID?
    package var attempt: AttemptID?
    package var number: Int?
    package var video: String?
    package var queue: String?
    package var customID: String?
    package var stage: String?
    package var progress: Double?
    package var outcome: String?
    package var errorClass: String?
    package var errorCode: String?
    package var message: String?
    package var totalMS: Double?
    package var retryAt: String?

    enum CodingKeys: String, CodingKey {
        case time, event, worker, job, attempt, number, video, queue
        case customID = "custom_id"
        case stage, progress, outcome
        case errorClass = "error_class"
        case errorCode = "error_code"
        case message
        case totalMS = "total_ms"
        case retryAt = "retry_at"
    }

    init(_ event: String, at date: Date, worker: String?, _ claim: Claim? = nil) {
        self.event = event
        time = Self.text(date)
        self.worker = worker
        guard let claim else { return }
        job = claim.job
        attempt = claim.attempt
        number = claim.number
        video = claim.video.path
        queue = claim.queue
        customID = claim.customID
    }

    mutating func note(_ outcome: RunEvent.Outcome) {
        switch outcome {
        case .succeeded(let answer):
            self.outcome = "succeeded"
            totalMS = answer.totalMS
            if !answer.warnings.isEmpty { message = answer.warnings.joined(separator: "; ") }
        case .failed(let failure, let retryAt):
            self.outcome = retryAt == nil ? "failed" : "retrying"
            self.retryAt = retryAt.map(Self.text)
            errorClass = failure.errorClass.rawValue
            errorCode = failure.code
            message = failure.message
            stage = failure.stage
        case .cancelled: self.outcome = "cancelled"
        case .interrupted(let reason):
            self.outcome = "interrupted"
            message = reason
        case .lost: self.outcome = "lost"
        }
    }

    static func text(_ date: Date) -> String {
        date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    /// Without an end of line, and with none in it.
    package var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        guard let data = try? encoder.encode(self) else { return "{\"event\":\"unprintable\"}" }
        return String(decoding: data, as: UTF8.self)
    }
}

/// A worker's log as JSON lines: what it claims, begins, ends and notices, and each stage of a job.
package final class JSONLog: RunObserver {
    private let worker: String
    private let now: @Sendable () -> Date
    private let write: @Sendable (String) -> Void
    private let stages = StageChanges()

    /// - Parameters:
    ///   - worker: `WorkerInfo.name`
    ///   - write: takes one line without its end; called by several threads
    package init(
        worker: String, now: @escaping @Sendable () -> Date = { Date() },
        write: @escaping @Sendable (String) -> Void
    ) {
        self.worker = worker
        self.now = now
        self.write = write
    }

    package func handle(_ event: RunEvent) {
        switch event {
        case .registered(let id): say("registered") { $0.message = "worker \(id)" }
        case .rescued(let jobs):
            for job in jobs {
                say("rescued") {
                    ($0.job, $0.attempt, $0.outcome) = (job.job, job.attempt, "\(job.fate)")
                }
            }
        case .claimed(let claim): say("claimed", claim)
        case .started(let claim): say("started", claim)
        case .progress(let claim, let stage, let fraction):
            guard stages.isNew(stage, of: claim.attempt) else { return }
            say("stage", claim) { ($0.stage, $0.progress) = (stage, fraction) }
        case .finished(let claim, let outcome):
            stages.forget(claim.attempt)
            say("finished", claim) { $0.note(outcome) }
        case .idle: say("idle")
        case .notice(let text): say("notice") { $0.message = text }
        }
    }

    private func say(
        _ event: String, _ claim: Claim? = nil, _ fill: (inout LogLine) -> Void = { _ in }
    ) {
        var line = LogLine(event, at: now(), worker: worker, claim)
        fill(&line)
        write(line.json)
    }
}
