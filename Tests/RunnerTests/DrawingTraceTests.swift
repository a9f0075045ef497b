import Foundation
import Plotting
import Testing
import Torch

@testable import Runner

/// A run of two frames of 2 x 2 tokens and three layers, small enough to be written down.
@Suite final class DrawingTraceTests {
    private let folder: URL

    init() throws {
        _ = try TorchLibrary.load()
        folder = FileManager.default.temporaryDirectory.appending(path: "trace-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// One colour for each of the eight cells.
    private static let colors = (0..<8).map { RGBColor(UInt8(90 + 20 * $0), UInt8($0), 120) }

    /// [2, 4, 4, 3]
    private static let frames: [UInt8] = (0..<2).flatMap { frame in
        (0..<16).flatMap { pixel -> [UInt8] in
            let color = colors[frame * 4 + (pixel / 8) * 2 + pixel % 4 / 2]
            return [color.red, color.green, color.blue]
        }
    }

    /// One text token, eight visual ones at 1 to 8, two text tokens.
    private static let ids = [5] + [Int](repeating: -200, count: 8) + [7, 7]

    private func write(_ change: (inout SafetensorsWriter) throws -> Void) throws -> String {
        var writer = SafetensorsWriter()
        try change(&writer)
        let path = folder.appending(path: "\(UUID()).safetensors").path
        try writer.write(to: path)
        return path
    }

    private func traceFile(
        _ change: (inout SafetensorsWriter) throws -> Void = { _ in }
    ) throws -> String {
        try write { writer in
            try writer.add("frames", Tensor(Self.frames, shape: [2, 4, 4, 3]))
            try writer.add("prompt_ids", Tensor(Self.ids))
            try change(&writer)
        }
    }

    @Test func `The kept sets of each layer are read as they were written`() throws {
        let trace = try TokenTrace(
            path: traceFile { writer in
                try writer.add("kept.0", Tensor([0, 1, 4, 8, 9, 10]))
                try writer.add("probe_rows.1", Tensor([9, 10]))
                try writer.add("kept_q.2.0", Tensor([0, 1, 2, 9, 10]))
                try writer.add("kept_q.2.1", Tensor([0, 2, 3, 4, 9, 10]))
                try writer.add("kept_k.2.0", Tensor([0]))
                writer.metadata["options"] = #"{"method":"zipvl","tau":0.9}"#
            })
        #expect((trace.frameCount, trace.grid, trace.promptTokens) == (2, 2, 11))
        #expect(trace.layers.map(\.name) == ["0", "1", "2"])
        #expect(trace.layers[0].shares == [1, 0, 0, 1, 0, 0, 0, 1])
        #expect(trace.layers[0].keptTokens == 6)
        #expect(trace.layers[1].shares == [Double](repeating: 1, count: 8))
        #expect(trace.layers[1].keptTokens == 11)
        #expect(trace.layers[2].shares == [0.5, 1, 0.5, 0.5, 0, 0, 0, 0])
        #expect(trace.layers[2].keptTokens == 5.5)
        #expect(trace.share(of: trace.layers[0], frame: 0) == 0.5)
        #expect(trace.share(of: trace.layers[0], frame: 1) == 0.25)
        #expect(trace.visualRatio(of: trace.layers[2]) == 2.5 / 8)
        #expect(abs(trace.meanRatio - (6 + 11 + 5.5) / 33) < 1e-12)
    }

    @Test func `Tokens that were dropped before the decoder are kept by no layer`() throws {
        let trace = try TokenTrace(
            path: traceFile { writer in
                try writer.add("visual_kept", Tensor([0, 2, 7]))
                try writer.add("kept.1", Tensor([0, 1, 2, 8, 10]))
            })
        #expect(trace.layers[0].shares == [1, 0, 1, 0, 0, 0, 0, 1])
        #expect(trace.layers[0].keptTokens == 6)
        #expect(trace.layers[1].shares == [1, 0, 0, 0, 0, 0, 0, 1])
        #expect(trace.layers[1].keptTokens == 4)
    }

    @Test func `A run that kept everything is one layer named all`() throws {
        let trace = try TokenTrace(path: traceFile())
        #expect(trace.layers.map(\.name) == ["all"])
        #expect(trace.meanRatio == 1)
        let counted = try TokenTrace(path: traceFile { $0.metadata["layers"] = "4" })
        #expect(counted.layers.count == 4)
    }

    @Test func `A cell is bright exactly in the rows of the layers that kept it`() throws {
        let sets = [[0, 1, 4, 8, 9, 10], [2, 4, 10], [4]]
        let trace = try TokenTrace(
            path: traceFile { writer in
                for (layer, kept) in sets.enumerated() {
                    try writer.add("kept.\(layer)", Tensor(kept))
                }
            })
        func count(_ canvas: Canvas, _ color: RGBColor) -> Int {
            (0..<canvas.height).reduce(0) { sum, y in
                sum + (0..<canvas.width).filter { canvas.pixel($0, y) == color }.count
            }
        }
        let all = try TraceFigure.draw(trace)
        let second = try TraceFigure.draw(trace, layers: [1])
        // Frames of 4 pixels are drawn 28 times as large: a cell is 56 x 56.
        for (cell, color) in Self.colors.enumerated() {
            let layers = sets.filter { $0.contains(cell + 1) }.count
            #expect(count(all, color) == layers * 56 * 56, "cell \(cell)")
            #expect(count(second, color) == (sets[1].contains(cell + 1) ? 56 * 56 : 0))
        }
    }

    @Test func `A cell that half of the heads kept is half dark`() throws {
        let trace = try TokenTrace(
            path: traceFile { writer in
                try writer.add("kept_q.0.0", Tensor([1, 2]))
                try writer.add("kept_q.0.1", Tensor([2]))
            })
        let canvas = try TraceFigure.draw(trace)
        func luminance(_ cell: Int) throws -> Double {
            // Both frames stand beside each other, their cells in the order of rows.
            let first = try #require(
                (0..<canvas.height * canvas.width).first {
                    canvas.pixel($0 % canvas.width, $0 / canvas.width) == Self.colors[1]
                })
            let (x, y) = (first % canvas.width - 56, first / canvas.width)
            let color = canvas.pixel(x + cell % 2 * 56 + 20, y + cell / 2 * 56 + 20)
            return try #require(color).luminance
        }
        let (half, kept, dropped) = try (luminance(0), luminance(1), luminance(2))
        #expect(kept == Self.colors[1].luminance)
        #expect(dropped < half && half < Self.colors[0].luminance)
    }

    @Test func `No more frames and layers are drawn than asked for`() throws {
        let many = try write { writer in
            let bytes = [UInt8](repeating: 200, count: 40 * 4 * 4 * 3)
            try writer.add("frames", Tensor(bytes, shape: [40, 4, 4, 3]))
            try writer.add("prompt_ids", Tensor([Int](repeating: -200, count: 40 * 4)))
            try writer.add("frame_pts_ms", Tensor((0..<40).map { Double($0) * 1000 }))
            for layer in 0..<20 { try writer.add("kept.\(layer)", Tensor([0, 159])) }
        }
        let trace = try TokenTrace(path: many)
        let heights = try [nil, [0], [0, 19]].map { try TraceFigure.draw(trace, layers: $0).height }
        #expect(heights[2] - heights[1] == 116)
        #expect(heights[0] - heights[1] == 7 * 116)
        let widths = try [16, 12].map { try TraceFigure.draw(trace, frames: $0).width }
        #expect(widths[0] - widths[1] == 4 * 116)
    }

    @Test func `A file that is no trace is refused with the name of what is missing`() throws {
        func message(_ path: String) -> String {
            let error = #expect(throws: TraceError.self) { try TokenTrace(path: path) }
            #expect(error?.description.hasPrefix(path) == true)
            return error?.description ?? ""
        }
        func ids(_ values: [Int]) throws -> Tensor { try Tensor(values) }
        #expect(
            message(try write { try $0.add("prompt_ids", ids([1])) }).contains("tensor `frames`"))
        #expect(
            message(
                try write { try $0.add("frames", Tensor(Self.frames, shape: [2, 4, 4, 3])) }
            ).contains("tensor `prompt_ids`"))
        #expect(
            message(try write { try $0.add("frames", ids([1])) }).contains("expected uint8"))
        #expect(
            message(try write { try $0.add("frames", Tensor(Self.frames, shape: [2, 8, 2, 3])) })
                .contains("[2, 8, 2, 3]"))
        #expect(
            message(try traceFile { try $0.add("kept.0", ids([3, 11])) }).contains("position 11"))
        #expect(
            message(try traceFile { try $0.add("visual_kept", ids([8])) })
                .contains("`visual_kept`: holds 8"))
        let odd = try write { writer in
            try writer.add("frames", Tensor(Self.frames, shape: [2, 4, 4, 3]))
            try writer.add("prompt_ids", ids([-200, -200, -200, -200, -200, -200]))
        }
        #expect(message(odd).contains("found 6 in all"))
        let text = folder.appending(path: "a.txt").path
        try Data("this is a text and no trace".utf8).write(to: URL(fileURLWithPath: text))
        #expect(message(text).contains("ask --trace"))
        #expect(message(folder.path + "/none").contains("cannot be opened"))
    }

    @Test func `A layer that the trace does not have is an error`() throws {
        let trace = try TokenTrace(path: traceFile { try $0.add("kept.2", Tensor([1])) })
        let error = #expect(throws: TraceError.self) {
            try TraceFigure.draw(trace, layers: [0, 3])
        }
        #expect(error?.description.contains("has layers 0 to 2, not 3") == true)
    }

    @Test func `More layers than a figure has room for are an error`() throws {
        let trace = try TokenTrace(path: traceFile { $0.metadata["layers"] = "129" })
        let error = #expect(throws: TraceError.self) { try TraceFigure.draw(trace) }
        #expect(error?.description.contains("has 129 layers, a figure shows at most 128") == true)
    }

    @Test func `A title names the method, then the settings that are used`() {
        let title = MethodTitle(
            optionsJSON: #"""
                {"dtype":"float32","ffn":"all","frames":8,"kv":"mixed","method":"zipvl","rows":"keys",
                "tau":0.95,"dense_layers":[0,1],"premerge":"evs","empty":[],"patterns":{"0":1}}
                """#)
        #expect(title.method == "zipvl, tau 0.95")
        #expect(title.settings == "dense-layers 0,1, kv mixed, premerge evs, rows keys")
        let modes = ["exact", "time", "keyframe"].map {
            MethodTitle(optionsJSON: "{\"sampling\":\"\($0)\"}").settings
        }
        #expect(modes == ["", "sampling time", "sampling keyframe (inexact)"])
        #expect(MethodTitle(optionsJSON: "?").method == "method not stated")
    }
}
