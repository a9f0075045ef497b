import Foundation

/// C sources beside the tests, compiled when a test needs them.
enum CompiledShim {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("shims").path

    /// The first C compiler there is; `nil` where there is none.
    static let compiler: String? = {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin"
        for name in ["clang", "cc", "gcc"] {
            for folder in path.split(separator: ":") {
                let file = "\(folder)/\(name)"
                if FileManager.default.isExecutableFile(atPath: file) { return file }
            }
        }
        return nil
    }()

    static let needsCompiler = "neither clang nor cc is installed, which compile tests' shims"

    struct Failed: Error, CustomStringConvertible {
        var description: String
    }

    /// A library for LD_PRELOAD.
    static func library(_ name: String, in target: String) throws -> String {
        try compile(
            name, to: "\(target)/\(name).so", ["-shared", "-fPIC"], ["-ldl", "-lpthread"])
    }

    static func program(_ name: String, in target: String, _ libraries: [String]) throws -> String {
        try compile(name, to: "\(target)/\(name)", ["-rdynamic"], libraries)
    }

    private static func compile(
        _ name: String, to result: String, _ options: [String], _ libraries: [String]
    ) throws -> String {
        guard let compiler else { throw Failed(description: needsCompiler) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: compiler)
        process.arguments =
            ["-O1", "-Wall", "-o", result] + options + ["\(folder)/\(name).c"] + libraries
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failed(description: "\(name).c does not compile")
        }
        return result
    }
}
