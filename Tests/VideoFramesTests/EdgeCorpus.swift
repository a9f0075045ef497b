import Foundation

/// The corpus of awkward videos that `Tests/EdgeVideos/make_edge_videos.py` makes, once, in the package's
/// `.cache/edge-videos`.
enum EdgeCorpus {
    struct Unavailable: Error, CustomStringConvertible { let description: String }

    /// - Throws: a message that says what is missing, where the corpus cannot be made.
    static func path(_ name: String) throws -> String {
        let folder = try made.get()
        let path = folder.appending(path: name).path
        guard FileManager.default.fileExists(atPath: path) else {
            throw Unavailable(description: "the edge corpus has no \(name): delete \(folder.path)")
        }
        return path
    }

    private static let made: Result<URL, any Error> = Result { try make() }

    private static var root: URL {
        Fixture.folder.deletingLastPathComponent().deletingLastPathComponent()
    }

    private static func make() throws -> URL {
        let script = root.appending(path: "Tests/EdgeVideos/make_edge_videos.py")
        let version = crc32(try Data(contentsOf: script))
        let folder = root.appending(path: ".cache/edge-videos")
        let stamp = folder.appending(path: "complete-\(version)")
        let files = FileManager.default
        if files.fileExists(atPath: stamp.path) { return folder }
        for tool in ["ffmpeg", "python3"] where !isInstalled(tool) {
            throw Unavailable(
                description: "the edge corpus needs \(tool): install it (apt-get install \(tool))")
        }
        print("making the edge corpus in \(folder.path), which takes a minute or two")
        let partial = root.appending(path: ".cache/edge-videos-\(getpid())")
        try files.createDirectory(at: partial, withIntermediateDirectories: true)
        defer { try? files.removeItem(at: partial) }
        let status = try run(["python3", script.path, partial.path])
        guard status == 0 else {
            throw Unavailable(description: "\(script.path) failed with status \(status)")
        }
        try Data().write(to: partial.appending(path: stamp.lastPathComponent))
        try? files.removeItem(at: folder)
        try files.moveItem(at: partial, to: folder)
        return folder
    }

    private static func isInstalled(_ tool: String) -> Bool {
        let folders = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":") ?? []
        return folders.contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(tool)") }
    }

    private static func run(_ command: [String]) throws -> Int32 {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }
}
