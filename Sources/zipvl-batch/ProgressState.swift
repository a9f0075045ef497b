import Foundation
import Jobs
import Runner

/// What a run's progress is computed from.
struct ProgressState {
    var done = 0
    var failed = 0
    /// Jobs that may still run, here or elsewhere; `nil` until counted.
    var remaining: Int?
    var current: (job: JobID, stage: String, fraction: Double)?
    var lastDrawn = ContinuousClock.now - .seconds(1)
    var isDrawn = false
    var hasEnded = false
    /// Asked to show nothing, by SIGUSR2.
    var isMuted = false
    private var begin: ContinuousClock.Instant?
    private var answered = 0
    private var attention = (used: 0.0, dense: 0.0)

    mutating func started(_ claim: Claim) {
        if begin == nil { begin = .now }
        current = (claim.job, "load", 0)
    }

    mutating func finished(_ claim: Claim, _ outcome: RunEvent.Outcome) {
        current = nil
        switch outcome {
        case .succeeded(let answer):
            (done, answered) = (done + 1, answered + 1)
            attention.used += answer.attnFLOPsUsed
            attention.dense += answer.attnFLOPsDense
            remaining = remaining.map { max(0, $0 - 1) }
        case .failed(_, let retryAt) where retryAt == nil:
            (done, failed) = (done + 1, failed + 1)
            remaining = remaining.map { max(0, $0 - 1) }
        case .failed, .interrupted, .lost: break
        case .cancelled: remaining = remaining.map { max(0, $0 - 1) }
        }
    }

    func line(_ claim: Claim, _ outcome: RunEvent.Outcome) -> String {
        let name = URL(fileURLWithPath: claim.video.path).lastPathComponent
        let what =
            switch outcome {
            case .succeeded(let answer):
                "answered in \(Figures.milliseconds(answer.totalMS)): \(answer.answer)"
            case .failed(let failure, let retryAt):
                (retryAt == nil ? "failed" : "will be tried again")
                    + " (\(failure.errorClass.rawValue)/\(failure.code)): \(failure.message)"
            case .cancelled: "cancelled"
            case .interrupted(let reason): "given back: \(reason)"
            case .lost: "lost: another worker has it"
            }
        let total = remaining.map { " of \(done + $0)" } ?? ""
        let text = what.split(whereSeparator: \.isNewline).joined(separator: " ")
        return Printable.line("[\(done)\(total)] job \(claim.job) \(name): \(text)")
    }

    /// `[####------] 12 of 42, 1 failed, 310 videos/h, ETA 6 min, attention -41.2%  job 13 prefill 40%`
    func bar(width: Int) -> String {
        let all = done + (remaining ?? 0)
        let share = all > 0 ? Double(done) / Double(all) : 0
        let length = 20
        let filled = Int((share * Double(length)).rounded(.down))
        var text =
            "[" + String(repeating: "#", count: filled)
            + String(repeating: "-", count: length - filled) + "] \(done) of \(all)"
        if failed > 0 { text += ", \(failed) failed" }
        if let begin, answered > 0 {
            let seconds = (.now - begin) / Duration.seconds(1)
            let perJob = seconds / Double(answered)
            text += ", \(Figures.decimal(3600 / perJob, 0)) jobs/h"
            text += ", ETA \(Figures.duration(perJob * Double(remaining ?? 0)))"
        }
        if attention.dense > 0 {
            let saved = Figures.savedPercent(used: attention.used, dense: attention.dense)
            text += ", attention saved \(Figures.percent(saved))"
        }
        if let current {
            text += "  job \(current.job) \(current.stage) \(Int(current.fraction * 100))%"
        }
        return String(text.prefix(max(10, width - 1)))
    }
}
