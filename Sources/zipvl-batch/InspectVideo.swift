import Foundation
import Jobs
import Runner
import VideoFrames

/// `inspect VIDEO`: what the file is, and what the sampler takes of it.
struct InspectVideo {
    var global: GlobalOptions
    /// The file as it was named.
    var name: String
    var request: SamplingRequest
    var out: String?

    func run() async throws {
        let sampler = SamplerLaunch.start()
        let result: Result<SampledFrames, any Error>
        do {
            result = .success(try await sampler.sample(request, timeBudget: .seconds(3600)))
        } catch {
            result = .failure(error)
        }
        await sampler.shutDown()
        let sampled = try result.get()
        let report = VideoReport(name, sampled)
        if let out {
            try ContactSheet.draw(
                sampled, title: URL(fileURLWithPath: name).lastPathComponent,
                subtitle: report.subtitle
            ).write(to: out)
        }
        if global.json { return try JSONLine.print(VideoLine(name, sampled, sheet: out)) }
        print(report.text)
        if !global.quiet { print("\n" + report.table.text(width: Terminal.width(of: 1))) }
        for warning in sampled.warnings { Terminal.complain("warning: \(warning)") }
        if let out { global.say("drawn to \(out)") }
    }
}

/// A sampling in words.
private struct VideoReport {
    private let path: String
    private let sampled: SampledFrames
    private var facts: VideoFacts { sampled.facts }

    init(_ path: String, _ sampled: SampledFrames) {
        self.path = path
        self.sampled = sampled
    }

    /// One line for the contact sheet.
    var subtitle: String {
        "\(facts.codec), \(facts.width) x \(facts.height), \(length); \(sampled.count) frames sampled"
            + (sampled.sampling == .exact ? "" : ", \(sampled.sampling.title)")
    }

    var text: String {
        var lines = [("file", "\(path)\(bytes)"), ("container", facts.container)]
        let format = facts.pixelFormat.map { ", \($0)" } ?? ""
        lines.append(("video", "\(facts.codec), \(facts.width) x \(facts.height)\(format)"))
        lines.append(("colour", colour))
        if facts.rotation != 0 {
            lines.append(("rotation", "\(facts.rotation) degrees clockwise, applied"))
        }
        lines.append(("length", length))
        lines.append(("sampled", "\(sampled.sampling.title): \(rule)"))
        lines.append(("decoded", work))
        return lines.map { name, value in
            name + String(repeating: " ", count: 11 - name.count) + value
        }.joined(separator: "\n")
    }

    private var bytes: String {
        ContentIdentity.statistics(path).map { ", \($0.size) bytes" } ?? ""
    }

    private var colour: String {
        let isRGB = ["rgb", "bgr", "gbr", "pal", "gray", "argb", "abgr"]
            .contains { facts.pixelFormat?.hasPrefix($0) == true }
        let matrix =
            facts.colorSpace ?? (isRGB ? "no matrix" : "matrix unstated and read as BT.601")
        let range = facts.colorRange.map { "\($0) range" } ?? "range unstated"
        return [matrix, range, facts.transfer.map { "transfer \($0)" }].compactMap(\.self)
            .joined(separator: ", ")
    }

    private var length: String {
        let seconds = Figures.decimal(Double(facts.durationMilliseconds) / 1000, 2)
        let rate =
            facts.framesPerSecond > 0
            ? ", \(Figures.decimal(facts.framesPerSecond, 3)) frames a second" : ""
        let noun = facts.frameCount == 1 ? "frame" : "frames"
        return "\(facts.frameCount) displayed \(noun) in \(seconds) s\(rate)"
    }

    /// Which frames, and why these.
    private var rule: String {
        let (total, count) = (facts.frameCount, sampled.count)
        if total == 1 { return "\(count) times the only frame" }
        if count == 1 { return "the first frame" }
        let step = Figures.decimal(Double(total - 1) / Double(count - 1), 3)
        let repeated = total < count ? "; there are fewer frames, so that some repeat" : ""
        let index = "floor(i x \(total - 1) / \(count - 1))"
        switch sampled.sampling {
        case .exact:
            return "\(count) frames evenly by index, first to last: row i shows frame \(index), "
                + "one every \(step) frames\(repeated)"
        case .time:
            let last = (sampled.framePTSMilliseconds.last ?? 0) / 1000
            return "\(count) frames evenly in seconds, first to last: row i shows the frame on the "
                + "screen at i x \(Figures.decimal(last, 3)) / \(count - 1) s, one every "
                + "\(Figures.decimal(last / Double(count - 1), 3)) s\(repeated)"
        case .keyframe:
            return "\(count) frames, not those evenly by index but the key frames nearest to them: "
                + "row i shows the one nearest to frame \(index)"
        }
    }

    private var work: String {
        let needed =
            sampled.framesDecoded > sampled.framesNeeded
            ? " (\(sampled.framesNeeded) would do where nothing is wrong)" : ""
        let decoder = sampled.hardware == .none ? "" : " by the GPU"
        return
            "\(sampled.framesDecoded) frames\(decoder)\(needed), \(sampled.packetsRead) packets read, "
            + "\(Figures.milliseconds(sampled.decodeMilliseconds)), peak "
            + "\(sampled.childPeakBytes >> 20) MiB"
    }

    var table: TextTable {
        var table = TextTable(columns: [
            .init(title: "row", isNumber: true), .init(title: "frame", isNumber: true),
            .init(title: "seconds", isNumber: true), .init(title: "note", canShrink: true),
        ])
        let isInexact = sampled.sampling == .keyframe
        for row in 0..<sampled.count {
            let (shown, asked) = (sampled.frameIndex[row], sampled.requestedIndex[row])
            let isAgain = row > 0 && sampled.frameIndex[row - 1] == shown
            let substitute =
                isInexact
                ? "the key frame nearest to \(asked)"
                : "\(asked) could not be read, this is the nearest"
            table.rows.append([
                "\(row)", "\(shown)",
                Figures.decimal(sampled.framePTSMilliseconds[row] / 1000, 3),
                shown != asked ? substitute : isAgain ? "again" : "",
            ])
        }
        return table
    }
}

/// A sampling as JSON.
private struct VideoLine: Encodable {
    var video: String
    var bytes: Int64?
    var facts: VideoFacts
    var frames: Int
    var sampling: SamplingMode
    var hwaccel: HardwareDecoding
    var frameIndex: [Int]
    var requestedIndex: [Int]
    var framePtsMs: [Double]
    /// Rows that show another frame than the one that was asked for.
    var substitutedRows: [Int]
    /// Each as row, frame asked for, frame shown.
    var substitutedFrames: [SubstitutedFrame]
    var side: Int
    var packetsRead: Int
    var framesDecoded: Int
    var framesNeeded: Int
    var decodeVideoMs: Double
    var peakSamplerBytes: Int64
    var warnings: [String]
    var sheet: String?

    init(_ path: String, _ sampled: SampledFrames, sheet: String?) {
        video = path
        bytes = ContentIdentity.statistics(path)?.size
        facts = sampled.facts
        frames = sampled.count
        sampling = sampled.sampling
        hwaccel = sampled.hardware
        frameIndex = sampled.frameIndex
        requestedIndex = sampled.requestedIndex
        framePtsMs = sampled.framePTSMilliseconds
        side = sampled.width
        substitutedFrames = sampled.substituted
        substitutedRows = substitutedFrames.map(\.row)
        packetsRead = sampled.packetsRead
        framesDecoded = sampled.framesDecoded
        framesNeeded = sampled.framesNeeded
        decodeVideoMs = sampled.decodeMilliseconds
        peakSamplerBytes = sampled.childPeakBytes
        warnings = sampled.warnings
        self.sheet = sheet
    }
}
