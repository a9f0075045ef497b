import Foundation
import Glibc
import Jobs
import Runner
import Synchronization

/// Shows a run on standard error: one line a finished job, and on a terminal a bar below them. With
/// `--json`, one object a finished job on standard output.
final class ProgressReporter: RunObserver {
    private let style: ProgressStyle
    private let json: Bool
    /// Takes the lines instead of standard error.
    private let log: (@Sendable (String) -> Void)?
    private let state: Mutex<ProgressState>

    init(_ style: ProgressStyle, json: Bool, log: (@Sendable (String) -> Void)? = nil) {
        self.style = style
        self.json = json
        self.log = log
        state = Mutex(ProgressState())
    }

    func handle(_ event: RunEvent) {
        state.withLock { state in
            switch event {
            case .registered, .claimed: break
            case .started(let claim): state.started(claim)
            case .progress(let claim, let stage, let fraction):
                state.current = (claim.job, stage, fraction)
                draw(&state, isUrgent: false)
            case .finished(let claim, let outcome):
                state.finished(claim, outcome)
                if json {
                    print(FinishedLine(claim, outcome).json)
                    // Whoever reads along is not kept waiting.
                    fflush(nil)
                }
                say(state.line(claim, outcome), &state)
            case .rescued(let jobs):
                say("took back \(jobs.count) jobs of a worker that died", &state)
            case .idle: if state.remaining == nil { state.remaining = 0 }
            case .notice(let text): say(text, &state)
            }
        }
    }

    /// Keeps the number of jobs that are left up to date: other workers answer some of them.
    func follow(_ queue: any QueueBackend) async {
        while !Task.isCancelled {
            if let left = try? await queue.remaining(JobSelection()) {
                state.withLock { state in
                    state.remaining = left
                    draw(&state, isUrgent: true)
                }
            }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// Leaves the terminal clean.
    func end() {
        state.withLock { state in
            clear(&state)
            state.hasEnded = true
        }
    }

    /// Says once what stands, whatever the style.
    func tell() {
        state.withLock { state in
            clear(&state)
            Terminal.complain(state.bar(width: 4096))
            draw(&state, isUrgent: true)
        }
    }

    /// Shows no more, or again.
    func toggle() {
        state.withLock { state in
            clear(&state)
            state.isMuted.toggle()
            draw(&state, isUrgent: true)
        }
    }

    private func say(_ line: String, _ state: inout ProgressState) {
        guard style != .none, !state.hasEnded else { return }
        if let log { return log(Printable.line(line)) }
        guard !state.isMuted else { return }
        clear(&state)
        Terminal.complain(line)
        draw(&state, isUrgent: true)
    }

    private func clear(_ state: inout ProgressState) {
        if state.isDrawn { Terminal.write("\r\u{1B}[K") }
        state.isDrawn = false
    }

    /// At most ten times a second.
    private func draw(_ state: inout ProgressState, isUrgent: Bool) {
        guard style == .bar, !state.hasEnded, !state.isMuted else { return }
        guard isUrgent || .now - state.lastDrawn > .milliseconds(100) else { return }
        state.lastDrawn = .now
        state.isDrawn = true
        Terminal.write("\r\u{1B}[K" + state.bar(width: Terminal.width(of: 2) ?? 80))
    }
}

/// One finished job, for programs.
private struct FinishedLine: Encodable {
    var jobID: JobID
    var video: String
    var question: String
    var outcome: String
    var answer: String?
    var correct: Bool?
    var totalMS: Double?
    var errorClass: String?
    var errorCode: String?
    var errorMessage: String?

    enum CodingKeys: String, CodingKey {
        case jobID = "job_id"
        case video, question, outcome, answer, correct
        case totalMS = "total_ms"
        case errorClass = "error_class"
        case errorCode = "error_code"
        case errorMessage = "error_message"
    }

    init(_ claim: Claim, _ outcome: RunEvent.Outcome) {
        jobID = claim.job
        video = claim.video.path
        question = claim.question
        switch outcome {
        case .succeeded(let answer):
            self.outcome = "succeeded"
            self.answer = answer.answer
            correct = answer.correct
            totalMS = answer.totalMS
        case .failed(let failure, let retryAt):
            self.outcome = retryAt == nil ? "failed" : "retrying"
            errorClass = failure.errorClass.rawValue
            errorCode = failure.code
            errorMessage = failure.message
        case .cancelled: self.outcome = "cancelled"
        case .interrupted: self.outcome = "interrupted"
        case .lost: self.outcome = "lost"
        }
    }

    var json: String { (try? JSONLine.text(self)) ?? "{\"job_id\":\(jobID)}" }
}
