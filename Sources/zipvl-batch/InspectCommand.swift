import ArgumentParser
import Foundation
import Runner
import VideoFrames

struct InspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what the sampler sees of a video, or which tokens each layer kept.",
        discussion: """
            With VIDEO: what the file is, which frames are taken and why, and with --out a contact sheet of \
            them, each as the model's input is cut. `keyframe` shows other frames than asked for. The file is decoded, whatever frames of it are kept.

            With --trace: which visual tokens each layer kept, from a trace of `ask`.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Argument(help: "The video.")
    var video: String?

    @Option(
        help: ArgumentHelp(
            "A file written by `ask --trace`.", valueName: "file.safetensors"))
    var trace: String?

    @Option(
        help: ArgumentHelp(
            "The picture (default: none of a video; the trace's name with .png).",
            valueName: "file.png"))
    var out: String?

    @Option(
        help: ArgumentHelp(
            "Layers whose frames are drawn (default: all, at most 8).", valueName: "0,3,7"))
    var layers: NumberList<Int>?

    @Option(
        help: ArgumentHelp(
            "Frames that are sampled of a video (default: 64), or drawn of a trace at most (default: 16).",
            valueName: "n"))
    var frames: Int?

    @Option(
        help: ArgumentHelp(
            "How the frames of a video are chosen (default: exact).",
            valueName: "mode"))
    var sampling: SamplingMode?

    @Option(
        help: ArgumentHelp(
            "Side of the sampled frames of a video in pixels (default: 336).",
            valueName: "pixels"))
    var side: Int?

    @Option(
        help: ArgumentHelp("Take the side of the frames of this model.", valueName: "dir"))
    var model: String?

    @OptionGroup var decoding: DecodingOptions

    @Option(
        help: ArgumentHelp(
            "Folder of PyTorch for a trace, instead of the one that is found.", valueName: "dir"))
    var torch: String?

    func validate() throws {
        guard (video == nil) != (trace == nil) else {
            throw ValidationError("expected either a video, or --trace and the trace of an answer")
        }
        if let frames {
            let most = trace == nil ? 65536 : 64
            if !(1...most).contains(frames) {
                throw ValidationError("--frames \(frames): expected 1 to \(most)")
            }
        }
        if let side, !(1...8192).contains(side) {
            throw ValidationError("--side \(side): expected 1 to 8192")
        }
        if side != nil, model != nil {
            throw ValidationError("--side has no effect with --model; leave it out")
        }
        let ignored =
            trace == nil
            ? [(layers != nil, "--layers"), (torch != nil, "--torch")]
            : [
                (sampling != nil, "--sampling"), (side != nil, "--side"), (model != nil, "--model"),
                (decoding.decodeThreads != nil, "--decode-threads"),
                (decoding.hwaccel != nil, "--hwaccel"),
            ]
        for (isGiven, flag) in ignored where isGiven {
            let condition = trace == nil ? "without" : "with"
            throw ValidationError("\(flag) has no effect \(condition) --trace; leave it out")
        }
        try PictureFile.check(out, flag: "--out")
    }

    func run() async throws {
        if let trace {
            try InspectTrace(
                global: global, path: trace, layers: layers?.values, frames: frames ?? 16, out: out,
                torch: torch
            ).run()
        } else if let video {
            let decoding = decoding.choice
            let path = URL(fileURLWithPath: video).standardizedFileURL.path
            try await InspectVideo(
                global: global, name: video,
                request: SamplingRequest(
                    path: path, frames: frames ?? 64,
                    side: try side ?? model.map { try ModelReference.imageSide(of: $0) } ?? 336,
                    mode: sampling ?? .exact, threads: decoding.threads,
                    hardware: decoding.hardware), out: out
            ).run()
        }
    }
}
