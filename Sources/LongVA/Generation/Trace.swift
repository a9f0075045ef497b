import SparsePrefill
import Torch

/// Collects the tensors of one answer for checking the engine from outside, and writes them as
/// safetensors. All methods do nothing when no trace was asked for.
final class Trace {
    private let request: TraceRequest?
    private var writer = SafetensorsWriter()
    /// Parts of tensors that are made in batches of frames.
    private var parts: [String: [Tensor]] = [:]

    init(_ request: TraceRequest?) { self.request = request }

    var wantsHiddenStates: Bool { request?.includesHiddenStates ?? false }

    func add(_ name: String, _ tensor: @autoclosure () throws -> Tensor) throws {
        guard request != nil else { return }
        try writer.add(name, try tensor())
    }

    func addFloats(_ name: String, _ tensor: Tensor) throws {
        try add(name, try tensor.converted(to: .float32))
    }

    /// One batch of a tensor that is concatenated along its first axis.
    func append(_ name: String, _ part: @autoclosure () throws -> Tensor) throws {
        guard request != nil else { return }
        parts[name, default: []].append(try part().converted(to: .float32).moved(to: .cpu))
    }

    func add(frames: FrameBatch) throws {
        guard let request else { return }
        let shape = [frames.count, frames.side, frames.side, 3]
        try writer.add("frames", try Tensor(frames.pixels, shape: shape))
        if let full = request.fullFrames {
            try writer.add(
                "frames_full",
                try Tensor(full.pixels, shape: [frames.count, full.height, full.width, 3]))
        }
        try writer.add("frame_pts_ms", try Tensor(request.framePTSMilliseconds))
        try writer.add("frame_index", try Tensor(request.frameIndex))
    }

    func add(reports: [LayerReport], promptTokens n: Int) throws {
        guard request != nil else { return }
        writer.metadata["layers"] = "\(reports.count)"
        for (layer, report) in reports.enumerated() {
            if let kept = report.kept { try writer.add("kept.\(layer)", try Tensor(kept)) }
            for (head, kept) in (report.keptPerHead ?? []).enumerated() {
                try writer.add("kept_q.\(layer).\(head)", try Tensor(kept))
                try writer.add("kept_k.\(layer).\(head)", try Tensor(kept))
            }
            guard !report.probes.isEmpty else { continue }
            try writer.add("probe_rows.\(layer)", try Tensor(report.probes))
            try writer.add("scores.\(layer)", try Tensor(scores(of: report, n)))
        }
    }

    /// One score for each of the n tokens; 0 for those that had left the sequence.
    private func scores(of report: LayerReport, _ n: Int) -> [Float] {
        guard let sequence = report.sequence else { return report.scores }
        var scores = [Float](repeating: 0, count: n)
        for (row, position) in sequence.enumerated() { scores[position] = report.scores[row] }
        return scores
    }

    func write() throws {
        guard let request else { return }
        for (name, tensors) in parts.sorted(by: { $0.key < $1.key }) {
            try writer.add(name, try Tensor.concatenated(tensors, axis: 0))
        }
        writer.metadata["options"] = request.optionsJSON
        try writer.write(to: request.path)
    }
}
