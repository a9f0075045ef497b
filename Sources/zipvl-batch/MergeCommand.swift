import ArgumentParser
import Jobs

struct MergeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge",
        abstract: "Take the jobs and answers of other queues into this one.",
        discussion: """
            For machines without a common server: each enqueues a part (enqueue --shard 3/8) into a queue \
            of its own, and one of them collects. What is here already is not taken twice; the other queues \
            stay as they are.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Argument(help: ArgumentHelp("The queues to read.", valueName: "path|url"))
    var sources: [String]

    private struct Line: Encodable {
        var source: String
        var inserted: Int
        var reused: Int
        var answers: Int
    }

    func validate() throws {
        for text in sources {
            do { _ = try QueueLocation(text) } catch { throw ValidationError(error.message) }
        }
        if sources.contains(global.queueText) {
            throw ValidationError("\(global.queueTitle): cannot be merged into itself")
        }
    }

    func run() async throws {
        let target = try global.openQueue()
        for text in sources {
            var other = global
            other.queue = text
            let source = try other.writeQueue()
            let totals = try await QueueMerge(from: source, into: target).run()
            if global.json {
                try JSONLine.print(
                    Line(
                        source: source.title, inserted: totals.inserted, reused: totals.reused,
                        answers: totals.answers))
            } else {
                global.say(
                    "\(source.title): \(totals.inserted) jobs taken, \(totals.reused) were here, "
                        + "\(totals.answers) answers taken")
            }
        }
    }
}
