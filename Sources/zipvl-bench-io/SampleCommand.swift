import ArgumentParser
import FoundationEssentials
import VideoFrames

/// Samples files and prints one JSON line for each file and frame count.
struct SampleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample", abstract: "Samples frames and prints medians as JSON lines.")

    @Argument(help: "Video files.")
    var files: [String]

    @Option(help: "Frame counts, separated by commas.")
    var frames = "64"

    @Option(help: "Runs of each measurement; the median is printed.")
    var runs = 3

    @Option(help: "Side of the frames in pixels, 0 for no resize.")
    var side = 336

    @Option(help: "pillow or swscale.")
    var resize = ResizeFilter.pillow

    @Option(help: "crop: shortest edge, then the centre; squash: all of it, through swscale.")
    var geometry = FrameGeometry.crop

    @Option(help: "exact, time or keyframe.")
    var sampling = SamplingMode.exact

    @Option(help: "Groups of pictures decoded at a time, 0 for one on each core and at most eight.")
    var threads = 1

    @Option(help: "none, auto or cuda.")
    var hwaccel = HardwareDecoding.none

    @Flag(help: "A new child process samples each time; its start, time and memory count.")
    var child = false

    @Option(help: "Seconds for one run with --child.")
    var timeLimit = 120

    @Option(help: "Writes the frames [N, S, S, 3] to this file and their indices to the line.")
    var dump: String?

    func validate() throws {
        guard runs > 0 else { throw ValidationError("--runs must be at least 1, found \(runs)") }
        guard !counts.isEmpty else {
            throw ValidationError("--frames must be numbers of at least 1, found '\(frames)'")
        }
        guard threads >= 0 else {
            throw ValidationError("--threads must be at least 0, found \(threads)")
        }
        guard (1...1_000_000).contains(timeLimit) else {
            throw ValidationError(
                "--time-limit must be 1 to 1000000 seconds, found \(timeLimit)")
        }
        guard dump == nil || (files.count == 1 && counts.count == 1) else {
            throw ValidationError("--dump takes one file and one frame count")
        }
    }

    func run() async throws {
        var hasFailed = false
        for file in files {
            for count in counts {
                let request = SamplingRequest(
                    path: file, frames: count, side: side, mode: sampling, resize: resize,
                    geometry: geometry, threads: threads, hardware: hwaccel)
                let line = try await measure(request)
                hasFailed = hasFailed || line.error != nil
                print(String(decoding: try Self.encoder.encode(line), as: UTF8.self))
            }
        }
        if hasFailed { throw ExitCode(3) }
    }

    private static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }

    /// Empty if any of them is no count.
    private var counts: [Int] {
        let numbers = frames.split(separator: ",").map { Int($0) ?? 0 }
        return numbers.allSatisfy { $0 > 0 } ? numbers : []
    }

    private func measure(_ request: SamplingRequest) async throws -> SampleLine {
        var line = SampleLine(request, child: child, runs: runs)
        do {
            var times: [(wall: Double, cpu: Double)] = []
            for run in 1...runs {
                let measured = try await measureOnce(request)
                times.append((measured.wallMilliseconds, measured.cpuMilliseconds))
                line.add(measured.result)
                if let dump, run == runs {
                    try Data(measured.result.pixels).write(to: URL(filePath: dump))
                    line.addIndices(of: measured.result)
                }
            }
            line.wallMilliseconds = median(times.map(\.wall))
            line.cpuMilliseconds = median(times.map(\.cpu))
        } catch let error as VideoError {
            line.error = error
        }
        return line
    }

    private func measureOnce(_ request: SamplingRequest) async throws -> SampleMeasurement {
        guard child else { return try SampleMeasurement(request) }
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return try await SampleMeasurement(
            request, childOf: own, timeLimit: .seconds(timeLimit))
    }
}

extension ResizeFilter: ExpressibleByArgument {}
extension FrameGeometry: ExpressibleByArgument {}
extension SamplingMode: ExpressibleByArgument {}
extension HardwareDecoding: ExpressibleByArgument {}
