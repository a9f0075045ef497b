/// The p tokens that hold a share tau of the attention (ZipVL Eqs. 6-8).
package struct TokenThreshold: Sendable, Equatable {
    /// tau, in (0, 1]; 1 keeps every token.
    package let tau: Double
    package let rule: ThresholdRule
    package let select: TokenChoice
    package let seed: UInt64

    /// Streams next to each other are one sequence, a number apart; the control must be independent
    /// from layer to layer, so its streams lie 2^32 numbers apart.
    private static let streamDistance = 1 << 32

    package init(
        tau: Double, rule: ThresholdRule = .raw, select: TokenChoice = .scores, seed: UInt64 = 0
    ) {
        self.tau = tau
        self.rule = rule
        self.select = select
        self.seed = seed
    }

    /// With m probe rows the scores sum to m, the paper's n rows to n; the share is of their sum.
    func chosen(_ scores: TokenScores, layer: Int) -> [Int] {
        let mass = tau * scores.total
        let count =
            switch rule {
            case .raw: Self.count(of: scores.accumulated.sorted(by: >), holding: mass)
            case .corrected:
                Self.count(of: scores.ranking.map { scores.accumulated[$0] }, holding: mass)
            }
        switch select {
        case .scores: return Array(scores.ranking.prefix(count))
        case .random:
            var generator = SplitMix64(seed: seed, stream: Self.streamDistance * (layer + 1))
            return generator.sample(count, below: scores.accumulated.count)
        }
    }

    /// The smallest number of leading values whose sum is at least `mass`.
    private static func count(of values: [Float], holding mass: Double) -> Int {
        var sum = 0.0
        for (index, value) in values.enumerated() {
            sum += Double(value)
            if sum >= mass { return index + 1 }
        }
        return values.count
    }
}
