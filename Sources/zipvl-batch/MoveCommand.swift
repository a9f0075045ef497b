import ArgumentParser
import Foundation
import Jobs

struct MoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "move", abstract: "Copy a whole queue into another, new one.",
        discussion: """
            No worker may run. All rows go over in one transaction, and counts and a checksum of all \
            answers are compared on both sides before it is called done. The old queue stays as it is: \
            keep it as a backup, or delete it.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Option(help: ArgumentHelp("The queue that is there.", valueName: "path|url"))
    var from: String

    @Option(help: ArgumentHelp("The queue to make.", valueName: "path|url"))
    var to: String

    @Flag(help: "Look at both and say what would be moved.")
    var dryRun = false

    private struct Line: Encodable {
        var from: String
        var to: String
        var moved: Bool
        var rows: [String: Int]
        var answersSHA256: String

        enum CodingKeys: String, CodingKey {
            case from, to, moved, rows
            case answersSHA256 = "answers_sha256"
        }
    }

    func validate() throws {
        if global.queue != nil {
            throw ValidationError("--queue has no effect here; --from and --to name the queues")
        }
        for text in [from, to] {
            do { _ = try QueueLocation(text) } catch { throw ValidationError(error.message) }
        }
        if from == to { throw ValidationError("--from and --to name the same queue") }
    }

    func run() async throws {
        var source = global
        source.queue = from
        let old = try source.writeQueue()
        try await refuseRunning(old)
        let target = try QueueLocation(to)
        if dryRun {
            let summary = try await old.transferSummary()
            return try show(summary, old.title, target.title, moved: false)
        }
        // What only a journal holds would stay behind.
        let replayed = try await source.replayJournals(into: old)
        if replayed > 0 { global.say("\(replayed) answers taken in from journals") }
        let new = try target.open()
        let transfer = QueueMove(from: old, to: new)
        let summary = try await transfer.run()
        try show(summary, old.title, new.title, moved: true)
        global.say(
            "\(old.title) was left as it is: keep it as a backup or delete it, and name the new queue "
                + "to the workers")
    }

    private func refuseRunning(_ queue: any QueueStore) async throws {
        _ = try await queue.rescue()
        let running = try await queue.status(batch: nil).reduce(0) { $0 + $1.running + $1.orphaned }
        if running > 0 {
            throw QueueError(
                .busy,
                "\(queue.title): \(running) jobs are running; stop the workers (pause --wait) before "
                    + "the move")
        }
    }

    private func show(
        _ summary: TransferSummary, _ old: String, _ new: String, moved: Bool
    ) throws {
        if global.json {
            return try JSONLine.print(
                Line(
                    from: old, to: new, moved: moved, rows: summary.counts,
                    answersSHA256: summary.answersSHA256))
        }
        let counts = summary.counts.sorted { $0.key < $1.key }.filter { $0.value > 0 }
            .map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        global.say(
            (moved ? "moved " : "would move ") + (counts.isEmpty ? "nothing" : counts)
                + "; answers sha256 \(summary.answersSHA256.prefix(16))…, "
                + (moved ? "the same on both sides" : "nothing was written"))
    }
}
