import ArgumentParser
import FoundationEssentials
import VideoFrames

/// Samples files and prints one JSON line for each file and frame count.
struct SampleCommand: ParsableCommand {
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

    func validate() throws {
        guard runs > 0 else { throw ValidationError("--runs must be at least 1, found \(runs)") }
        guard !counts.isEmpty else {
            throw ValidationError("--frames must be numbers of at least 1, found '\(frames)'")
        }
    }

    func run() throws {
        var hasFailed = false
        for file in files {
            for count in counts {
                let request = SamplingRequest(
                    path: file, frames: count, side: side, resize: resize)
                let line = measure(request)
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

    private func measure(_ request: SamplingRequest) -> SampleLine {
        var line = SampleLine(request, runs: runs)
        do throws(VideoError) {
            var times: [(wall: Double, cpu: Double)] = []
            for _ in 0..<runs {
                let timer = ProcessTimer()
                let result = try FrameSampler.sample(request)
                times.append(timer.elapsed)
                line.add(result)
            }
            line.wallMilliseconds = median(times.map(\.wall))
            line.cpuMilliseconds = median(times.map(\.cpu))
        } catch {
            line.error = error
        }
        return line
    }

    private func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}

extension ResizeFilter: ExpressibleByArgument {}
