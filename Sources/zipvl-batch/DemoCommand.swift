import ArgumentParser
import Foundation
import Jobs
import Runner

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Run the whole path on the bundled videos and the embedded model.")

    @OptionGroup(title: "Global options") var global: GlobalOptions
    @OptionGroup var device: DeviceOptions

    @Option(help: ArgumentHelp("Job file of the demo.", valueName: "file.yaml"))
    var job: String?

    @OptionGroup var limits: WorkOptions

    func run() async throws {
        let file = try JobFile(
            contentsOf: try job ?? Self.findJobFile(),
            environment: ProcessInfo.processInfo.environment)
        let entries = try EnqueuePlan(file).entries()
        let configurations = try Configurations(.init(), file, on: device.kind)
        var template = Enqueuer.Template(configs: configurations.records)
        template.priority = file.priority
        let spec = BatchSpec(
            name: file.name, source: file.path,
            specJSON: try JSONLine.text(
                BatchDescription(configurations, file.questions.map(\.text))))
        try await Enqueuing(global: global).run(
            EnqueueCall(entries: entries, template: template, batch: spec))

        var working = try limits.options(global)
        working.drain = true
        let queue = try global.openQueue()
        let summary = try await Working(global: global, device: device, options: limits)
            .run(queue, working)
        var selection = JobSelection()
        selection.batch = file.name
        show(try await queue.results(selection, limit: nil))
        if case .stopped = summary.reason { throw ExitCode(CommandExit.workLeft) }
        if summary.failed > 0 { throw ExitCode(CommandExit.failedJobs) }
    }

    private func show(_ rows: [ResultRow]) {
        if global.json { return rows.forEach { print(JSONLine.text($0)) } }
        var table = TextTable(columns: [
            .init(title: "video", canShrink: true), .init(title: "question", canShrink: true),
            .init(title: "answer", canShrink: true), .init(title: "expected", canShrink: true),
            .init(title: "correct"),
        ])
        for row in rows {
            table.rows.append([
                row.videoName, row.text("question"), row.text("answer"), row.text("expected"),
                row.isCorrect.map { $0 ? "right" : "wrong" } ?? "",
            ])
        }
        print(table.text(width: Terminal.width(of: 1)))
        let judged = rows.compactMap(\.isCorrect)
        print("generated clips: \(judged.filter { $0 }.count) of \(judged.count) right")
        if judged.count < rows.count {
            print(
                """
                real videos: \(rows.count - judged.count) answers that mean nothing. The model that \
                comes with the program knows generated scenes only; for footage give `enqueue` and `work` \
                a LongVA-7B with --model.
                """)
        }
        print(
            """
            The same from the database:
            sqlite3 -header -column \(global.queueTitle) "SELECT custom_id, question, answer, \
            expected, correct FROM results"
            """)
    }

    /// `jobs/demo.yaml` below the current folder or below one of the executable's parents.
    private static func findJobFile() throws -> String {
        let name = "jobs/demo.yaml"
        if let path = ProjectFiles.find(name) { return path }
        throw EnqueueError(
            "\(name) was not found below the current folder nor beside the executable; run the demo in "
                + "the project's folder, or name it with --job")
    }
}
