import ArgumentParser
import Jobs

struct InitCommand: AsyncParsableCommand {
    enum Journal: String, ExpressibleByArgument, CaseIterable { case wal, rollback }

    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make the queue; `enqueue` makes one, too, when need be.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Option(
        help: ArgumentHelp(
            "Of an SQLite file: a write-ahead log, with readers and a writer at a time, or a rollback journal (default: wal).",
            valueName: "wal|rollback"))
    var journal: Journal?

    func run() async throws {
        let location = try global.location
        if journal != nil, case .postgres = location {
            throw ValidationError("--journal has no effect with PostgreSQL; leave it out")
        }
        let queue = try location.open()
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
