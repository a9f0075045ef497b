import Foundation

/// Another process of this program, or another program, whose standard output is read.
struct BenchChild {
    struct Failed: Error, CustomStringConvertible {
        var description: String
    }

    private let process = Process()
    private let output = Pipe()

    /// This program with these arguments.
    init(_ arguments: [String]) throws {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        try self.init(own, arguments)
    }

    init(
        _ executable: String, _ arguments: [String], environment: [String: String] = [:]
    ) throws {
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = output
        try process.run()
    }

    /// Waits for its end.
    func text() throws -> String {
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let words = [process.executableURL?.path ?? ""] + (process.arguments ?? [])
            throw Failed(
                description: "\(words.joined(separator: " ")): ended with "
                    + "\(process.terminationStatus)")
        }
        return String(decoding: data, as: UTF8.self)
    }

    /// Waits for its end and decodes the JSON that it printed.
    func decoded<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(text().utf8))
    }
}
