import SparsePrefill
import Torch

extension KernelTrials {
    /// How scores are spread.
    enum ScoreSpread: CaseIterable, Sendable {
        /// Over twenty powers of two.
        case wide
        /// Four values: most tokens have equals.
        case ties
        /// Nine in ten tokens have none.
        case mostlyZero
    }

    enum ScoreQuota: CaseIterable, Sendable { case count, raw, corrected }

    /// Kept rows of one layer, against `TokenScores`, `TokenThreshold` and `TokenSelection` on the host: the sets must
    /// be equal to the last token.
    static func selection(
        _ spread: ScoreSpread, _ kind: ScoreQuota, _ maker: inout TrialMaker
    ) throws -> KernelTrial {
        let n = maker.length(from: 65, to: maker.isSmall ? 2500 : 131_072)
        // Sums whose order cannot matter: of one part, or of few bits.
        let parts = spread == .wide ? [1, 1] : [maker.pick([1, 4]), maker.pick([1, 3])]
        let heads = parts[0] * maker.pick([1, 2, 7])
        let scores = (0..<parts[0] * parts[1] * n).map { _ in maker.score(spread) }
        let probes = maker.pick([1, 63, 64, 128].filter { $0 <= n })
        let probeRows = maker.numbers(probes, below: n)
        let first = maker.pick([0, 14, n / 3])
        let layout = PromptLayout(count: n, visual: first..<maker.pick([n, n - n / 8, first]))
        let norm = maker.pick(ScoreNormalization.allCases)
        let bucket = maker.pick([1, 7, 64, 256, 1 << 20])
        let tau = maker.pick([0.5, 0.9, 0.975, 0.999_999])
        let quota: TokenQuota =
            switch kind {
            case .count: .count(maker.pick([0, 1, n / 3, n, n + 1]))
            case .raw: .holding(TokenThreshold(tau: tau))
            case .corrected: .holding(TokenThreshold(tau: tau, rule: .corrected))
            }
        let machine = maker.machine
        let sums = try Tensor(scores, shape: parts + [n], on: machine.place)
        let rows = try Tensor(probeRows, on: machine.place)
        let total = scores.reduce(0) { $0 + Double($1) } / Double(heads)
        let selector = try Kernels.device(sums).map { try RowSelector(on: $0, layers: 3) }
        // Scores are read when all layers are queued: they are no part of the time.
        let reads = maker.isQuick

        func results(
            _ tokens: Tensor, held: Int, massKept: Double, scores: [Float]
        ) throws -> [Tensor] {
            let count = tokens.shape[0]
            let mask = try Tensor.zeros([1, n, 1], .float32, on: machine.place)
                .plainAddingRows(tokens, .filled(1, [1, count, 1], .float32, on: machine.place))
            return try [mask, Tensor([Float(held)]), Tensor([Float(massKept)])]
                + (reads ? [Tensor(scores)] : [])
        }
        func plain(_ inputs: [Tensor]) throws -> [Tensor] {
            let accumulated: [Float] = try
                (inputs[0].reshaped([parts[0] * parts[1], n]).sum([0]) * (1 / Float(heads)))
                .values()
            let scores = TokenScores(accumulated, probeRows: probeRows, norm: norm)
            let choice = quota.choice(scores, layer: 0)
            let expected = TokenSelection(
                chosen: choice.rows, least: choice.least, scores: scores, layout: layout,
                bucket: bucket)
            return try results(
                Tensor(expected.kept, on: machine.place), held: choice.rows.count,
                massKept: expected.massKept, scores: accumulated)
        }
        return KernelTrial(
            operation: "select \(spread) \(kind)",
            size: "\(n) tokens in \(parts[0]) x \(parts[1]) parts, \(quota), \(norm), bucket "
                + "\(bucket), free \(layout.droppable)",
            bytes: scores.count * 4 + n * 12,
            // One token of 131,072 would be 0.003.
            limit: 1e-6, inputs: { [sums, rows] },
            fused: { inputs in
                guard let selector, let quota = quota.onDevice else { return try plain(inputs) }
                let selected = try selector.select(
                    sums: inputs[0], heads: heads, probeRows: inputs[1],
                    rule: RowSelectionRule(
                        quota: quota, ranksBySeen: norm == .exact, bucket: bucket,
                        droppable: layout.droppable), total: Int(total) + 1)
                let read = try reads ? selected.read().scores : []
                return try results(
                    selected.rows, held: selected.held, massKept: selected.massKept, scores: read)
            },
            plain: plain)
    }
}

extension TrialMaker {
    fileprivate mutating func score(_ spread: KernelTrials.ScoreSpread) -> Float {
        let x = Float(number(below: 1 << 24)) / Float(1 << 24)
        return switch spread {
        case .wide: Float(sign: .plus, exponent: -Int(x * 20), significand: 1 + x)
        case .ties: Float(Int(x * 4))
        case .mostlyZero: x < 0.9 ? 0 : Float(Int(x * 1024)) / 1024
        }
    }
}
