import ArgumentParser
import Foundation
import Jobs

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show how many jobs of each batch are in which state.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Option(help: "Only this batch.")
    var batch: String?

    @Flag(help: "Show it again every two seconds until interrupted.")
    var watch = false

    func run() async throws {
        let queue = try global.readQueue()
        while true {
            let batches = try await queue.status(batch: batch)
            if watch && Terminal.showsOutput { print("\u{1B}[H\u{1B}[2J", terminator: "") }
            try show(batches)
            guard watch else { return }
            try await Task.sleep(for: .seconds(2))
        }
    }

    private func show(_ batches: [BatchStatus]) throws {
        if global.json { return try batches.forEach { try JSONLine.print($0) } }
        let columns: [(String, (BatchStatus) -> Int)] = [
            ("held", \.held), ("ready", \.ready), ("scheduled", \.scheduled),
            ("retrying", \.retrying), ("running", \.running), ("orphaned", \.orphaned),
            ("succeeded", \.succeeded), ("failed", \.failed), ("cancelled", \.cancelled),
        ]
        var table = TextTable(
            columns: [.init(title: "batch", canShrink: true)]
                + columns.map { .init(title: $0.0, isNumber: true) })
        for batch in batches {
            table.rows.append([batch.batch] + columns.map { "\($0.1(batch))" })
        }
        if batches.count > 1 {
            table.rows.append(
                ["all"] + columns.map { column in "\(batches.reduce(0) { $0 + column.1($1) })" })
        }
        print(table.text(width: Terminal.width(of: 1)))
    }
}
