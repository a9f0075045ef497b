import Foundation
import Synchronization
import Testing

/// One make of the corpus: what `Tests/EdgeVideos/make_edge_videos.py` takes.
struct EdgeVariant: Hashable, Sendable, CustomTestStringConvertible {
    var width = 640
    var height = 360
    var frames = 450
    var gop = 120

    static let standard = EdgeVariant()

    /// Clips that have a third of the frames.
    var third: Int { frames / 3 }

    /// From "WIDTHxHEIGHT/FRAMES/GOP".
    init?(_ text: Substring) {
        let numbers = text.split(whereSeparator: { "x/".contains($0) }).compactMap { Int($0) }
        guard numbers.count == 4 else { return nil }
        (width, height, frames, gop) = (numbers[0], numbers[1], numbers[2], numbers[3])
    }

    init() {}

    var arguments: [String] {
        ["--size", "\(width)x\(height)", "--frames", "\(frames)", "--gop", "\(gop)"]
    }

    /// Of the folder in `.cache`.
    var name: String {
        self == .standard ? "edge-videos" : "edge-videos-\(width)x\(height)-\(frames)-\(gop)"
    }

    var testDescription: String { "\(width)x\(height)/\(frames)/\(gop)" }
}

/// The corpus of awkward videos that `Tests/EdgeVideos/make_edge_videos.py` makes, once for each variant, in
/// the package's `.cache`.
enum EdgeCorpus {
    struct Unavailable: Error, CustomStringConvertible { let description: String }

    /// - Throws: a message that says what is missing, where the corpus cannot be made.
    static func path(_ name: String, of variant: EdgeVariant = .standard) throws -> String {
        let folder = try folder(of: variant)
        let path = folder.appending(path: name).path
        guard FileManager.default.fileExists(atPath: path) else {
            throw Unavailable(description: "the edge corpus has no \(name): delete \(folder.path)")
        }
        return path
    }

    /// Names of all videos of a corpus.
    static func names(of variant: EdgeVariant = .standard) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder(of: variant).path)
            .filter { !$0.hasPrefix("complete-") }.sorted()
    }

    /// Tests that ask for a corpus wait for the one that makes it. What every run needs is made at once: a
    /// test that waits in its middle holds a thread that others, which take times, are in need of.
    private static func folder(of variant: EdgeVariant) throws -> URL {
        try made.withLock { made in
            for usual in [.standard] + EdgeVariantTests.small where made[usual] == nil {
                made[usual] = Result { try make(usual) }
            }
            if let folder = made[variant] { return folder }
            let folder = Result { try make(variant) }
            made[variant] = folder
            return folder
        }.get()
    }

    private static let made = Mutex<[EdgeVariant: Result<URL, any Error>]>([:])

    private static var root: URL {
        Fixture.folder.deletingLastPathComponent().deletingLastPathComponent()
    }

    private static func make(_ variant: EdgeVariant) throws -> URL {
        let script = root.appending(path: "Tests/EdgeVideos/make_edge_videos.py")
        let version = crc32(try Data(contentsOf: script))
        let folder = root.appending(path: ".cache/\(variant.name)")
        let stamp = folder.appending(path: "complete-\(version)")
        let files = FileManager.default
        if files.fileExists(atPath: stamp.path) { return folder }
        for tool in ["ffmpeg", "python3"] where !isInstalled(tool) {
            throw Unavailable(
                description: "the edge corpus needs \(tool): install it (apt-get install \(tool))")
        }
        print("making the edge corpus in \(folder.path), which takes seconds to minutes")
        let partial = root.appending(path: ".cache/\(variant.name)-\(getpid())")
        try files.createDirectory(at: partial, withIntermediateDirectories: true)
        defer { try? files.removeItem(at: partial) }
        let status = try run(["python3", script.path, partial.path] + variant.arguments)
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
