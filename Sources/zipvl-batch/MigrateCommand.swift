import ArgumentParser
import Jobs

struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make the queue; `enqueue` makes one, too, when need be.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Option(
        help: ArgumentHelp(
            "Of an SQLite file: a write-ahead log, with readers and a writer at a time, or a rollback journal (default: wal).",
            valueName: "wal|rollback"))
    var journal: QueueJournal?

    func run() async throws {
        let location = try global.location
        guard let journal else {
            return try await MigrateCommand.show(try location.open(), global)
        }
        guard case .sqlite(let path) = location else {
            throw ValidationError("--journal has no effect with PostgreSQL; leave it out")
        }
        let queue = try SQLiteQueue.create(path: path, journal: journal)
        try await MigrateCommand.show(queue, global)
    }
}

struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Bring the queue to this program's schema, an SQLite file after a backup.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    private struct Line: Encodable {
        var queue: String
        var schemaVersion: Int
    }

    func run() async throws {
        // Opening migrates.
        try await Self.show(try global.writeQueue(), global)
    }

    static func show(_ queue: any QueueStore, _ global: GlobalOptions) async throws {
        let version = QueueLocation.schemaVersion
        if global.json {
            return try JSONLine.print(Line(queue: queue.title, schemaVersion: version))
        }
        global.say("\(queue.title): schema version \(version)")
    }
}

extension QueueJournal: ExpressibleByArgument {}
