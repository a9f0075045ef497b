import Foundation
import Runner
import Torch

/// `inspect --trace`: which visual tokens each layer kept.
struct InspectTrace {
    var global: GlobalOptions
    var path: String
    var layers: [Int]?
    var frames: Int
    /// `nil` draws beside the trace.
    var out: String?
    var torch: String?

    func run() throws {
        _ = try TorchLibrary.load(explicit: torch)
        let trace = try TokenTrace(path: path)
        let picture =
            out ?? URL(fileURLWithPath: path).deletingPathExtension().relativePath + ".png"
        try TraceFigure.draw(trace, layers: layers, frames: frames).write(to: picture)
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
