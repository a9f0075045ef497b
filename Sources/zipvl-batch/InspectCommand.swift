import ArgumentParser
import Foundation
import Runner
import Torch

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Draw which visual tokens each layer kept, from a trace of `ask`.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Option(
        help: ArgumentHelp(
            "A file written by `ask --trace`.", valueName: "file.safetensors"))
    var trace: String?

    @Option(
        help: ArgumentHelp(
            "The picture (default: the trace's name with .png).", valueName: "file.png"))
    var out: String?

    @Option(
        help: ArgumentHelp(
            "Layers whose frames are drawn (default: all, at most 8).", valueName: "0,3,7"))
    var layers: NumberList<Int>?

    @Option(help: ArgumentHelp("Frames that are drawn, at most.", valueName: "n"))
    var frames = 16

    @Option(
        help: ArgumentHelp("Folder of PyTorch, instead of the one that is found.", valueName: "dir")
    )
    var torch: String?

    func validate() throws {
        guard trace != nil else {
            throw ValidationError(
                "--trace is missing: this version draws traces only, not what the sampler sees of a "
                    + "video")
        }
        if !(1...64).contains(frames) {
            throw ValidationError("--frames \(frames): expected 1 to 64")
        }
        try PictureFile.check(out, flag: "--out")
    }

    func run() throws {
        guard let path = trace else { return }
        _ = try TorchLibrary.load(explicit: torch)
        let trace = try TokenTrace(path: path)
        let picture =
            out ?? URL(fileURLWithPath: path).deletingPathExtension().relativePath + ".png"
        try TraceFigure.draw(trace, layers: layers?.values, frames: frames).write(to: picture)
        if global.json {
            for layer in trace.layers { try JSONLine.print(LayerLine(trace, layer)) }
        } else {
            print(Self.table(trace).text(width: Terminal.width(of: 1)))
        }
        global.say("mean kept ratio \(Figures.ratio(trace.meanRatio)); drawn to \(picture)")
    }

    private static func table(_ trace: TokenTrace) -> TextTable {
        var table = TextTable(columns: [
            .init(title: "layer", isNumber: true), .init(title: "kept tokens", isNumber: true),
            .init(title: "of", isNumber: true), .init(title: "kept ratio", isNumber: true),
            .init(title: "of the visual", isNumber: true),
        ])
        for layer in trace.layers {
            table.rows.append([
                layer.name, Figures.decimal(layer.keptTokens, layer.isWhole ? 0 : 1),
                "\(trace.promptTokens)", Figures.ratio(trace.ratio(of: layer)),
                Figures.ratio(trace.visualRatio(of: layer)),
            ])
        }
        return table
    }

    private struct LayerLine: Encodable {
        var layer: String
        var keptTokens: Double
        var promptTokens: Int
        var keptTokenRatio: Double
        var keptVisualRatio: Double
        var keptVisualRatioByFrame: [Double]

        init(_ trace: TokenTrace, _ layer: TokenTrace.Layer) {
            self.layer = layer.name
            keptTokens = layer.keptTokens
            promptTokens = trace.promptTokens
            keptTokenRatio = trace.ratio(of: layer)
            keptVisualRatio = trace.visualRatio(of: layer)
            keptVisualRatioByFrame = (0..<trace.frameCount).map {
                trace.share(of: layer, frame: $0)
            }
        }
    }
}

extension TokenTrace.Layer {
    // A sum of shares of heads is whole but for its last digits.
    fileprivate var isWhole: Bool { abs(keptTokens - keptTokens.rounded()) < 1e-6 }
}
