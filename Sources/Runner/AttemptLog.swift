import Foundation
import Glibc
import Jobs
import Synchronization

/// What happened in one attempt, as JSON lines in a file of its own: `<job>-<attempt>.log`. It may end
/// early: a log that cannot be written costs no answer.
final class AttemptLog: Sendable {
    private struct State {
        var descriptor: Int32
        var bytes = 0
        var stage: String?
        var lastLine: Duration?
    }

    /// After so many bytes a last line says so.
    static let limit = 1 << 20
    /// Within one stage, progress is noted this often.
    static let interval = Duration.seconds(5)

    let path: String
    private let claim: Claim
    private let worker: String
    private let clock: RunnerClock
    private let state: Mutex<State>

    /// `nil` when the file cannot be made.
    init?(folder: String, _ claim: Claim, worker: String, clock: RunnerClock) {
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        path = "\(folder)/\(claim.job)-\(claim.attempt).log"
        (self.claim, self.worker, self.clock) = (claim, worker, clock)
        state = Mutex(
            State(descriptor: open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)))
        if state.withLock({ $0.descriptor }) < 0 { return nil }
        write("claimed")
    }

    deinit { close() }

    func note(stage: String, progress: Double) {
        let now = clock.uptime()
        let isWanted = state.withLock { state in
            let isDue = state.lastLine.map { now - $0 >= Self.interval } ?? true
            guard state.stage != stage || isDue else { return false }
            (state.stage, state.lastLine) = (stage, now)
            return true
        }
        if isWanted { write("progress") { ($0.stage, $0.progress) = (stage, progress) } }
    }

    func note(_ message: String) { write("notice") { $0.message = message } }
    func begin() { write("started") }

    func end(_ outcome: RunEvent.Outcome) {
        write("finished") { $0.note(outcome) }
        close()
    }

    private func write(_ event: String, _ fill: (inout LogLine) -> Void = { _ in }) {
        var line = LogLine(event, at: clock.now(), worker: worker, claim)
        fill(&line)
        let text = line.json + "\n"
        state.withLock { state in
            guard state.descriptor >= 0, state.bytes <= Self.limit else { return }
            state.bytes += text.utf8.count
            var bytes = text
            if state.bytes > Self.limit {
                var last = LogLine("notice", at: clock.now(), worker: worker, claim)
                last.message = "the log ends here: it has reached \(Self.limit >> 20) MiB"
                bytes = last.json + "\n"
            }
            let all = Array(bytes.utf8)
            _ = Glibc.write(state.descriptor, all, all.count)
        }
    }

    private func close() {
        state.withLock { state in
            if state.descriptor >= 0 { Glibc.close(state.descriptor) }
            state.descriptor = -1
        }
    }
}

/// Tells when an attempt enters a stage.
final class StageChanges: Sendable {
    private let stages = Mutex<[AttemptID: String]>([:])

    func isNew(_ stage: String, of attempt: AttemptID) -> Bool {
        stages.withLock { stages in
            if stages[attempt] == stage { return false }
            stages[attempt] = stage
            return true
        }
    }

    func forget(_ attempt: AttemptID) { stages.withLock { _ = $0.removeValue(forKey: attempt) } }
}
