import Glibc
import SparsePrefill

/// Finds what makes zipvl keep a wanted share.
extension DecoderRun {
    /// tau at which zipvl keeps the share, by bisection on a prompt of 2,048 tokens.
    func tau(keeping ratio: Double) throws -> Double {
        var (low, high) = (0.01, 1.0)
        for _ in 0..<10 {
            let tau = (low + high) / 2
            let variant = PrefillVariant(
                name: "zipvl",
                configuration: PrefillConfiguration(method: .zipvl, tau: tau, seed: machine.seed),
                weights: weights)
            let shares = try measure(variant, tokens: 2048).shares(2048)
            let kept = shares.reduce(0, +) / Double(shares.count)
            if kept > ratio { high = tau } else { low = tau }
        }
        return (low + high) / 2
    }

    /// The variant with the factors that hold for hidden states as large as they enter: within some 10 % of its shares.
    func estimated(_ variant: PrefillVariant) -> PrefillVariant {
        guard planted != nil, let shares = variant.shares else { return variant }
        // The embeddings are spread evenly over [-1, 1].
        let size = (1.0 / 3).squareRoot()
        var variant = variant
        variant.stretch = shares.map {
            Float(size * PlantedColumns.stretch(keeping: $0, tau: variant.configuration.tau))
        }
        return variant
    }

    /// Stretches the planted grades until every layer keeps its share of n tokens.
    ///
    /// The layers hardly touch one another's: each round measures all of them in one prefill, without rounding up to
    /// a bucket, and moves each by what the normal distribution says is missing.
    /// - Parameter start: the factors of another length or of weights in another form; they are good enough when they
    ///   keep every share to 2 %.
    /// - Returns: the variant with its factors, and the largest deviation of a layer, relative to its share.
    func calibrated(
        _ variant: PrefillVariant, tokens n: Int, start: [Float]? = nil
    ) throws -> (variant: PrefillVariant, deviation: Double) {
        guard planted != nil, let shares = variant.shares else { return (variant, 0) }
        let tau = variant.configuration.tau
        let goals = shares.map { PlantedColumns.stretch(keeping: $0, tau: tau) }
        var stretch = (start ?? estimated(variant).stretch).map(Double.init)
        let tolerance = start == nil ? Self.tolerance : 2 * Self.tolerance
        var best = (variant: variant, deviation: Double.infinity)
        /// Of the round before, by layer: the factor, and what it seemed to be.
        var last: [(factor: Double, seen: Double)?] = stretch.map { _ in nil }
        for _ in 0..<Self.rounds {
            var trial = variant
            trial.stretch = stretch.map(Float.init)
            trial.configuration.selectBucket = 1
            let kept = try measure(trial, tokens: n).shares(n)
            let deviations = zip(kept, shares).map { abs($0 / $1 - 1) }
            let deviation = deviations.max() ?? 0
            if deviation < best.deviation {
                trial.configuration.selectBucket = variant.configuration.selectBucket
                best = (trial, deviation)
            }
            if deviation < tolerance { break }
            // What is right already stays: a layer's tokens hang on those of the layers before.
            for layer in stretch.indices where deviations[layer] > tolerance / 2 {
                let factor = stretch[layer]
                let seen = max(
                    PlantedColumns.stretch(
                        keeping: min(max(kept[layer], 0.001), 0.999), tau: tau), 0.01)
                // Text and recent tokens are kept whatever their grade: how much a step does is seen in the one
                // before. None goes beyond a factor of two.
                var slope = 1.0
                if let last = last[layer], abs(log(factor / last.factor)) > 1e-3 {
                    slope = min(max(log(seen / last.seen) / log(factor / last.factor), 0.4), 2.5)
                }
                let step = exp(log(goals[layer] / seen) / slope)
                stretch[layer] *= min(max(step, 0.5), 2)
                last[layer] = (factor, seen)
            }
        }
        return best
    }

    private static var rounds: Int { 8 }
    private static var tolerance: Double { 0.01 }
}
