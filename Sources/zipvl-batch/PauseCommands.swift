import ArgumentParser
import Jobs

struct PauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Let nothing of a queue be claimed; running jobs go on.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Argument(help: "Name of the queue.")
    var name = "default"

    @Flag(help: "Return when no job of it is running any more.")
    var wait = false

    func run() async throws {
        let queue = try global.writeQueue()
        try await queue.pause(queue: name)
        global.say("\(name): paused")
        while wait {
            let running = try await queue.queues().first { $0.queue == name }?.running ?? 0
            if running == 0 { break }
            if global.verbose { global.say("\(running) running") }
            // Jobs of workers that died would be waited for in vain.
            _ = try await queue.rescue()
            try await Task.sleep(for: .seconds(1))
        }
        try await QueueLines.show(queue, named: name, global)
    }
}

struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Let jobs of a paused queue be claimed again.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Argument(help: "Name of the queue.")
    var name = "default"

    func run() async throws {
        let queue = try global.writeQueue()
        guard try await queue.queues().contains(where: { $0.queue == name }) else {
            throw ValidationError("\(global.queueTitle): no queue \(name)")
        }
        try await queue.resume(queue: name)
        global.say("\(name): resumed")
        try await QueueLines.show(queue, named: name, global)
    }
}

enum QueueLines {
    /// With `--json`, the queue's row.
    static func show(
        _ queue: any QueueBackend, named name: String, _ global: GlobalOptions
    ) async throws {
        guard global.json else { return }
        for row in try await queue.queues() where row.queue == name { try JSONLine.print(row) }
    }
}
