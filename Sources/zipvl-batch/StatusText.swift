import Foundation
import Jobs
import Runner

/// A look at a queue in words.
struct StatusText {
    private let snapshot: StatusSnapshot
    private let rate: FinishRate.Estimate?

    init(_ snapshot: StatusSnapshot, rate: FinishRate.Estimate?) {
        self.snapshot = snapshot
        self.rate = rate
    }

    /// - Parameter width: columns of the terminal; `nil` cuts nothing
    func lines(width: Int?) -> [String] {
        var lines = table.text(width: width).components(separatedBy: "\n")
        var notes: [String] = []
        if let progress { notes.append(progress) }
        if let oldest = snapshot.oldestQueuedSeconds {
            notes.append("The oldest job that could run has waited \(Figures.duration(oldest)).")
        }
        for queue in snapshot.paused {
            notes.append(
                "Queue \(queue.queue) is paused: \(queue.queued) queued, \(queue.running) running.")
        }
        if !notes.isEmpty { lines += [""] + notes.map { Printable.line($0) } }
        if !snapshot.workers.isEmpty {
            lines += [""] + workers.text(width: width).components(separatedBy: "\n")
        }
        return lines
    }

    /// The same in one line, for logs.
    var line: String {
        var text = "\(snapshot.finished) of \(snapshot.jobs) done, \(snapshot.failed) failed, "
        text += "\(snapshot.inHand) running, \(snapshot.waiting) waiting"
        if let progress { text += "; \(progress)" }
        for queue in snapshot.paused { text += "; queue \(queue.queue) is paused" }
        let name = snapshot.batch ?? snapshot.title
        let time = snapshot.at.formatted(Date.ISO8601FormatStyle())
        return Printable.line("\(time) \(name): \(text)")
    }

    private var progress: String? {
        guard let rate else { return nil }
        var text = "\(Figures.decimal(rate.perSecond * 3600, 0)) jobs/h over the last "
        text += Figures.duration(rate.seconds)
        guard snapshot.remaining > 0 else { return text }
        let time = rate.time(for: snapshot.remaining)
        text += ", ETA \(Figures.duration(time.expected))"
        return text + " (\(Figures.duration(time.low)) to \(Figures.duration(time.high)))"
    }

    private var table: TextTable {
        let columns: [(String, (BatchStatus) -> Int)] = [
            ("held", \.held), ("ready", \.ready), ("scheduled", \.scheduled),
            ("retrying", \.retrying), ("running", \.running), ("orphaned", \.orphaned),
            ("succeeded", \.succeeded), ("failed", \.failed), ("cancelled", \.cancelled),
        ]
        var table = TextTable(
            columns: [.init(title: "batch", canShrink: true)]
                + columns.map { .init(title: $0.0, isNumber: true) })
        let batches = snapshot.batches
        for batch in batches {
            table.rows.append([batch.batch] + columns.map { "\($0.1(batch))" })
        }
        if batches.count > 1 {
            table.rows.append(
                ["all"] + columns.map { column in "\(batches.reduce(0) { $0 + column.1($1) })" })
        }
        return table
    }

    private var workers: TextTable {
        var table = TextTable(columns: [
            .init(title: "worker", canShrink: true), .init(title: "device"),
            .init(title: "up", isNumber: true), .init(title: "last seen", isNumber: true),
            .init(title: "in hand", canShrink: true),
        ])
        for worker in snapshot.workers {
            table.rows.append([
                worker.name, worker.device, age(worker.startedAt), age(worker.lastSeenAt),
                hand(worker),
            ])
        }
        return table
    }

    private func hand(_ worker: WorkerRow) -> String {
        guard let first = worker.jobs.first else { return "nothing" }
        var text = "job \(first)"
        if let job = snapshot.running[first] {
            text += " " + job.note + (job.note.isEmpty ? "" : ", ") + job.videoName
        }
        let others = worker.jobs.count - 1
        return others > 0 ? text + ", and \(others) more" : text
    }

    /// Since a moment in ISO 8601.
    private func age(_ moment: String) -> String {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: moment.contains("."))
        guard let date = try? style.parse(moment) else { return "?" }
        return Figures.duration(max(0, snapshot.at.timeIntervalSince(date)))
    }
}
