import Synchronization
import Torch

/// MInference's offline search: one full prefill, in which every candidate pattern of every head is
/// measured by the attention mass that it recovers.
///
/// The mass is the mean over the late rows (from `firstRow` on, or the second half of shorter prompts)
/// of the softmax that falls on pairs the pattern computes. Candidates are meant to cost about the same;
/// the first of those with the largest mass wins.
package final class MInferenceSearch: PrefillPolicy {
    package let candidates: [MInferencePattern]
    /// By layer, head and candidate: sums over rows of all prompts, and how many rows.
    private let found = Mutex<(masses: [[[Double]]], rows: [Int])>(([], []))

    /// Rows before this one see little and are easy to recover.
    package static let firstRow = 2500
    /// Rows whose attention is held at a time.
    private static let rowBlock = 128

    package init(candidates: [MInferencePattern]) { self.candidates = candidates }

    /// The vertical-slash pairs of the paper's search, StreamingLLM's sizes and 100 blocks.
    ///
    /// - Parameter scale: every size is divided by it, for prompts shorter than the paper's 30,000
    ///   tokens, which any candidate would cover.
    package static func candidates(
        verticalAndSlash pairs: [(vertical: Int, slash: Int)] = standardPairs, scale: Double = 1
    ) -> [MInferencePattern] {
        func scaled(_ size: Int) -> Int {
            max(1, Int(min(Double(size) / scale, Double(1 << 30)).rounded()))
        }
        return pairs.map {
            .verticalAndSlash(vertical: scaled($0.vertical), slash: scaled($0.slash))
        } + [
            .streaming(initial: scaled(100), local: scaled(800)),
            .blockSparse(blocks: scaled(100)),
        ]
    }

    package static let standardPairs = [(30, 800), (100, 750), (500, 700), (3500, 100)]
        .map { (vertical: $0.0, slash: $0.1) }

    package func attend(
        _ projections: LayerProjections, in context: LayerContext
    ) throws -> LayerAttention {
        let attention = try FullPrefill().attend(projections, in: context)
        let queries = try projections.queries(nil)  // [1, H, n, d]
        let (masses, rows) = try measure(queries: queries, keys: attention.keys)
        found.withLock { found in
            while found.masses.count <= context.layer {
                found.masses.append([])
                found.rows.append(0)
            }
            let before = found.masses[context.layer]
            found.masses[context.layer] =
                before.isEmpty
                ? masses : zip(before, masses).map { zip($0, $1).map { $0 + $1 } }
            found.rows[context.layer] += rows
        }
        return attention
    }

    /// By head and candidate.
    private func measure(
        queries: Tensor, keys: Tensor
    ) throws -> (masses: [[Double]], rows: Int) {
        let (heads, n) = (queries.shape[1], queries.shape[2])
        let device = try queries.device()
        // By candidate, then by head.
        let choices = try candidates.map {
            try MInferenceChoice(
                [MInferencePattern](repeating: $0, count: heads), queries: queries, keys: keys)
        }
        var masses = [[Double]](
            repeating: [Double](repeating: 0, count: candidates.count), count: heads)
        let firstRow = min(Self.firstRow, n / 2)
        for first in stride(from: firstRow, to: n, by: Self.rowBlock) {
            let rows = Array(first..<min(first + Self.rowBlock, n))
            var head = 0
            try TokenSaliency.eachHead(
                queries.narrowed(2, from: first, count: rows.count), keys, rows
            ) { softmax in
                for (candidate, choice) in choices.enumerated() {
                    masses[head][candidate] += try Self.mass(
                        softmax, rows, choice.heads[head], on: device)
                }
                head += 1
            }
        }
        return (masses, n - firstRow)
    }

    /// Attention on the pairs that a head computes, summed over some rows: softmax is [rows, n].
    private static func mass(
        _ softmax: Tensor, _ rows: [Int], _ choice: MInferenceChoice.Head, on device: Device
    ) throws -> Double {
        guard choice != .dense else { return Double(rows.count) }
        let n = softmax.shape[1]
        var seen = [UInt8](repeating: 0, count: rows.count * n)
        for (index, row) in rows.enumerated() {
            switch choice {
            case .dense: break
            case .pairs(let pairs):
                for column in pairs.columns where column <= row { seen[index * n + column] = 1 }
                for offset in pairs.offsets where offset <= row {
                    seen[index * n + row - offset] = 1
                }
            case .blocks(let blocks):
                let side = MInferenceBlocks.side
                for block in blocks.chosen[row / side] {
                    for column in block * side..<min((block + 1) * side, row + 1) {
                        seen[index * n + column] = 1
                    }
                }
            }
        }
        let mask = try Tensor(seen, shape: [rows.count, n], on: device).converted(to: .float32)
        let sum: [Float] = try (softmax * mask).sum([0, 1], keepingAxes: true).values()
        return sum.reduce(0) { $0 + Double($1) }
    }
}

extension MInferenceSearch {
    /// What a search found.
    package struct Result: Sendable, Equatable {
        package let patterns: MInferencePatterns
        /// By layer and head: the share of the attention that the head's pattern recovers.
        package let masses: [[Double]]

        /// The published format with the masses as scores.
        package var json: String { patterns.json { masses[$0][$1] } }
    }

    /// The best candidate of every head that was measured.
    package func result() -> Result {
        let (masses, rows) = found.withLock { $0 }
        var layers: [[Int: MInferencePattern]] = []
        var best: [[Double]] = []
        for (heads, count) in zip(masses, rows) {
            let winners = heads.map { masses in
                masses.indices.max { masses[$0] != masses[$1] ? masses[$0] < masses[$1] : $0 > $1 }
                    ?? 0
            }
            layers.append(
                Dictionary(
                    uniqueKeysWithValues: winners.enumerated().map { ($0, candidates[$1]) }))
            best.append(zip(heads, winners).map { min(1, $0[$1] / Double(max(count, 1))) })
        }
        return Result(patterns: MInferencePatterns(layers: layers), masses: best)
    }
}
