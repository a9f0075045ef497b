import ArgumentParser
import Foundation
import Jobs

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show how many jobs of each batch are in which state, and who works on them.",
        discussion: """
            With --watch it is shown again and again until Ctrl-C, on a terminal in place, elsewhere as one \
            line each time. --json prints one object a line: the batches, and without --batch the workers \
            (worker_id …) and the queues (queue …), too.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Option(help: "Only this batch.")
    var batch: String?

    @Option(
        defaultAsFlag: WatchInterval.standard, parsing: .next,
        help: ArgumentHelp("Show it again every so many seconds.", valueName: "seconds"))
    var watch: WatchInterval?

    @Flag(help: "With --watch: end when no job can run any more.")
    var untilDone = false

    func validate() throws {
        if let watch, !watch.isSensible {
            throw ValidationError("--watch \(watch): expected 0.1 to 86400 seconds")
        }
        if untilDone && watch == nil { throw ValidationError("--until-done needs --watch") }
    }

    func run() async throws {
        let queue = try global.readQueue()
        let snapshot = try await StatusSnapshot(of: queue, batch: batch)
        guard let watch else { return try show(snapshot) }
        try await StatusWatch(
            queue: queue, batch: batch, interval: watch, untilDone: untilDone, json: global.json
        ).run(from: snapshot)
    }

    private func show(_ snapshot: StatusSnapshot) throws {
        if global.json { return try snapshot.printJSON() }
        let text = StatusText(snapshot, rate: nil)
        Terminal.print(text.lines(width: Terminal.width(of: 1)).joined(separator: "\n"))
    }
}

/// Seconds between two looks.
struct WatchInterval: ExpressibleByArgument, CustomStringConvertible {
    /// `nil`: as suits where it is shown.
    private let seconds: Double?

    static let standard = WatchInterval(seconds: nil)

    private init(seconds: Double?) { self.seconds = seconds }

    init?(argument: String) {
        guard let seconds = Double(argument) else { return nil }
        self.seconds = seconds
    }

    var isSensible: Bool { seconds.map { (0.1...86400).contains($0) } ?? true }

    var description: String {
        seconds.map { "\($0)" } ?? "2 on a terminal, 30 elsewhere"
    }

    func duration(onTerminal: Bool) -> Duration {
        .seconds(seconds ?? (onTerminal ? 2 : 30))
    }
}
