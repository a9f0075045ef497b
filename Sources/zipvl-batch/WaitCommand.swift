import ArgumentParser
import Foundation
import Jobs

struct WaitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait", abstract: "Return when no job can run any more.",
        discussion: """
            Exit code 0: all were answered or cancelled. 3: some failed for good. 5: time was up. Held \
            jobs are not waited for.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Option(help: "Only this batch.")
    var batch: String?

    @Option(help: ArgumentHelp("Wait at most this long, such as 8h.", valueName: "time"))
    var timeout: DurationArgument?

    func run() async throws {
        let queue = try global.readQueue()
        let end = timeout.map { ContinuousClock.now + $0.duration }
        while true {
            let rows = try await queue.status(batch: batch)
            if let batch, rows.isEmpty {
                throw ValidationError("\(global.queueTitle): no batch \(batch)")
            }
            let left = rows.reduce(0) {
                $0 + $1.ready + $1.scheduled + $1.retrying + $1.running + $1.orphaned
            }
            if left == 0 { return try finish(rows) }
            if let end, .now >= end {
                global.say("\(left) jobs left")
                throw ExitCode(CommandExit.workLeft)
            }
            let rest = end.map { $0 - .now } ?? .seconds(2)
            try await Task.sleep(for: min(.seconds(2), max(.milliseconds(10), rest)))
        }
    }

    private func finish(_ rows: [BatchStatus]) throws {
        if global.json { try rows.forEach { try JSONLine.print($0) } }
        let failed = rows.reduce(0) { $0 + $1.failed }
        let answered = rows.reduce(0) { $0 + $1.succeeded }
        let held = rows.reduce(0) { $0 + $1.held }
        global.say(
            "\(answered) answered, \(failed) failed" + (held > 0 ? ", \(held) held back" : ""))
        if failed > 0 { throw ExitCode(CommandExit.failedJobs) }
    }
}
