import VideoFrames

/// What came of the damaged files. One JSON line.
struct FuzzTally: Encodable {
    var seed: UInt64
    var count = 0
    var answered = 0
    /// Answered, with something said about damage.
    var warned = 0
    /// Typed errors by their code.
    var failed: [String: Int] = [:]
    /// The child gave up by itself at its time budget.
    var timeouts = 0
    /// The child did not, and was killed, each time the file was tried.
    var hangs = 0
    /// Killed once and not again: the processor was busy elsewhere.
    var late = 0
    /// The child died.
    var crashes = 0
    /// Errors without a message, and answers whose parts do not fit together.
    var malformed = 0
    var slowestMilliseconds = 0.0
    var childRestarts = 0
    var memory = FuzzMemory.Verdict()
    var kept: [String] = []
    var seconds = 0.0

    var isGood: Bool { hangs == 0 && crashes == 0 && malformed == 0 && memory.isFlat }

    init(seed: UInt64) { self.seed = seed }

    /// What is wrong with an answer, nil if nothing is.
    static func fault(in frames: SampledFrames, of request: SamplingRequest) -> String? {
        let total = frames.facts.frameCount
        let rows = [
            frames.count, frames.frameIndex.count, frames.requestedIndex.count,
            frames.framePTSMilliseconds.count,
        ]
        if rows.contains(where: { $0 != request.frames }) { return "rows \(rows)" }
        if frames.width != request.side || frames.height != request.side {
            return "size \(frames.width)x\(frames.height)"
        }
        if frames.pixels.count != request.frames * request.side * request.side * 3 {
            return "\(frames.pixels.count) bytes of pixels"
        }
        let indices = frames.frameIndex + frames.requestedIndex
        if let wrong = indices.first(where: { $0 < 0 || $0 >= total }) {
            return "index \(wrong) of \(total)"
        }
        if let wrong = frames.framePTSMilliseconds.first(where: { !$0.isFinite }) {
            return "time \(wrong)"
        }
        return nil
    }

    private enum CodingKeys: String, CodingKey {
        case seed, count, answered, warned, failed, timeouts, hangs, late, crashes, malformed
        case memory, kept, seconds
        case slowestMilliseconds = "slowest_ms"
        case childRestarts = "child_restarts"
    }
}
