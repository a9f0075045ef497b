import ArgumentParser
import FoundationEssentials
import Glibc
import VideoFrames

/// Samples damaged copies of videos in the sampling child. None may crash it, hang it or make it grow.
struct FuzzCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fuzz", abstract: "Samples damaged copies of a folder's videos.",
        discussion: """
            Prints one JSON line and exits with 3 if the child crashed, did not keep its time budget, grew, \
            or answered nonsense; the files that did it are kept. A seed and a number give a file again: \
            --first NUMBER --count 1.
            """)

    @Argument(help: "Folder of videos.")
    var folder: String

    @Option(help: "How many files to make.")
    var count = 20_000

    @Option(help: "Number of the first.")
    var first = 0

    @Option(help: "Decides everything that is random.")
    var seed: UInt64 = 1

    @Option(name: .customLong("budget-ms"), help: "Time for one file in milliseconds.")
    var budget = 2000

    @Option(help: "Leave out videos of more bytes.")
    var largest = 1_000_000

    @Option(help: "Where to keep the files that did harm.")
    var keep = "fuzz-kept"

    @Option(help: "Wait while this file exists.")
    var pauseFile: String?

    @Option(help: .hidden)
    var child: String?

    func validate() throws {
        guard count > 0, first >= 0 else {
            throw ValidationError("--count must be at least 1, --first at least 0")
        }
        guard budget >= 100 else {
            throw ValidationError("--budget-ms must be at least 100, found \(budget)")
        }
    }

    func run() async throws {
        let videos = try FuzzVideo.load(folder, largest: largest)
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let run = FuzzRun(
            videos: videos, seed: seed,
            sampler: SamplerProcess(
                executable: child ?? own, timeBudget: .milliseconds(Int64(budget))),
            keep: keep)
        defer { run.removeScratch() }
        let interval = max(25, count / 64)
        for number in first..<(first + count) {
            while let pauseFile, access(pauseFile, F_OK) == 0 {
                try await Task.sleep(for: .seconds(1))
            }
            try await run.sample(number)
            if (number - first + 1) % interval == 0 { await run.readMemory() }
            if (number - first + 1) % 1000 == 0 { run.note("\(number - first + 1) of \(count)") }
        }
        let tally = await run.finish()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        print(String(decoding: try encoder.encode(tally), as: UTF8.self))
        if !tally.isGood { throw ExitCode(3) }
    }
}

/// A file to damage.
struct FuzzVideo {
    var name: String
    var bytes: [UInt8]

    /// The files of a folder that are neither empty nor larger than `largest`, by name.
    static func load(_ folder: String, largest: Int) throws -> [FuzzVideo] {
        var videos: [FuzzVideo] = []
        for name in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() {
            let url = URL(filePath: folder).appending(path: name)
            guard let data = try? Data(contentsOf: url), !data.isEmpty, data.count <= largest else {
                continue
            }
            videos.append(FuzzVideo(name: name, bytes: [UInt8](data)))
        }
        guard !videos.isEmpty else {
            throw ValidationError("\(folder) has no files of 1 to \(largest) bytes")
        }
        return videos
    }
}
