import ArgumentParser
import Runner

struct InspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what the sampler sees of a video, or which tokens each layer kept.",
        discussion: """
            With VIDEO: what the file is, which frames are taken and why, and with --out a contact sheet of \
            them, each as the model's input is cut. The file is decoded, whatever frames of it are kept.

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
        if trace == nil {
            let ignored = [(layers != nil, "--layers"), (torch != nil, "--torch")]
            for (isGiven, flag) in ignored where isGiven {
                throw ValidationError("\(flag) has no effect without --trace; leave it out")
            }
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
            try await InspectVideo(global: global, path: video, frames: frames ?? 64, out: out)
                .run()
        }
    }
}
