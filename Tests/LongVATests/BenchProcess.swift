import Foundation
import TestSupport

/// The program `zipvl-bench`, which is built beside the tests.
enum BenchProcess {
    static func run(
        _ arguments: [String], in folder: TemporaryFolder
    ) throws -> (code: Int32, output: Data, errors: String) {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let program = URL(filePath: own).deletingLastPathComponent().appending(path: "zipvl-bench")
        // Each stream goes to a file: a pipe that nobody empties would stop the program.
        func stream(_ name: String) throws -> FileHandle {
            let url = URL(filePath: folder.file(name))
            try Data().write(to: url)
            return try FileHandle(forWritingTo: url)
        }
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        process.standardOutput = try stream("out")
        process.standardError = try stream("err")
        try process.run()
        process.waitUntilExit()
        func contents(_ name: String) throws -> Data {
            try Data(contentsOf: URL(filePath: folder.file(name)))
        }
        return (
            process.terminationStatus, try contents("out"),
            String(decoding: try contents("err"), as: UTF8.self)
        )
    }

    /// The JSON lines of a run that succeeds.
    static func lines<Line: Decodable>(
        _ arguments: [String], in folder: TemporaryFolder, as type: Line.Type = Line.self
    ) throws -> [Line] {
        let (code, output, errors) = try run(arguments, in: folder)
        guard code == 0 else { throw BenchFailed(description: "code \(code): \(errors)") }
        return try output.split(separator: UInt8(ascii: "\n")).map {
            try JSONDecoder().decode(Line.self, from: $0)
        }
    }
}

struct BenchFailed: Error, CustomStringConvertible {
    let description: String
}
