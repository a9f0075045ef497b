import Foundation
import Glibc

/// Runs the real binary in a folder of its own.
struct CommandFixture {
    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "command-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    var cacheHome: URL { folder.appending(path: ".cache") }

    struct Ending {
        var code: Int32
        var output: String
        var errors: String
    }

    @discardableResult
    func write(_ text: String, _ name: String) throws -> String {
        let file = folder.appending(path: name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
        return file.path
    }

    /// - Parameter changes: of the environment; `nil` removes a variable
    @discardableResult
    func run(
        _ arguments: [String], input: String = "", environment changes: [String: String?] = [:]
    ) throws -> Ending {
        try start(arguments, input: input, environment: changes).end()
    }

    /// A program that runs. Each stream goes to a file: a pipe that nobody empties would stop it.
    struct Running {
        let process: SpawnedProcess
        let streams: URL

        func signal(_ number: Int32) { kill(process.identifier, number) }

        func end() throws -> Ending {
            let code = try process.waitUntilExit()
            func text(_ name: String) throws -> String {
                String(
                    decoding: try Data(contentsOf: streams.appending(path: name)), as: UTF8.self)
            }
            return Ending(code: code, output: try text("out"), errors: try text("err"))
        }
    }

    func start(
        _ arguments: [String], input: String = "", environment changes: [String: String?] = [:]
    ) throws -> Running {
        var environment = ProcessInfo.processInfo.environment
        environment["ZIPVL_QUEUE"] = nil
        environment["XDG_CACHE_HOME"] = cacheHome.path
        environment["COLUMNS"] = "80"
        for (name, value) in changes { environment[name] = value }
        let streams = folder.appending(path: ".streams-\(UUID())")
        try FileManager.default.createDirectory(at: streams, withIntermediateDirectories: true)
        func file(_ name: String, _ text: String = "") throws -> String {
            let url = streams.appending(path: name)
            try Data(text.utf8).write(to: url)
            return url.path
        }
        let process = try SpawnedProcess(
            Self.binary.path, arguments, environment: environment, folder: folder.path,
            input: file("in", input), output: file("out"), errors: file("err"))
        return Running(process: process, streams: streams)
    }

    /// The rows of a verb with `--json`.
    func rows(_ arguments: [String]) throws -> [[String: Any]] {
        try run(arguments + ["--json"]).output.split(separator: "\n").compactMap { line in
            try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        }
    }

    /// Beside the test bundle, where the build puts it.
    private static var binary: URL {
        let own =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(fileURLWithPath: own).deletingLastPathComponent().appending(path: "zipvl-batch")
    }
}
