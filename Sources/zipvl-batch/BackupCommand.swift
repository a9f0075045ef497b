import ArgumentParser
import Foundation
import Jobs

struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Write a consistent copy into a new file; workers may go on meanwhile.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Argument(help: "The file to make.")
    var file: String

    private struct Line: Encodable {
        var file: String
        var bytes: Int64
    }

    func validate() throws {
        try OutputFile.check(file, flag: "file")
        if FileManager.default.fileExists(atPath: file) {
            throw ValidationError("\(file): is there already")
        }
    }

    func run() async throws {
        try await global.readQueue().backup(to: file)
        let bytes = ContentIdentity.statistics(file)?.size ?? 0
        if global.json { return try JSONLine.print(Line(file: file, bytes: bytes)) }
        global.say("\(file): \(bytes) bytes, verified")
    }
}
