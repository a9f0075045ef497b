/// Which query rows score the tokens: the most recent ones and a seeded random choice of the others.
package struct ProbeRows: Sendable, Equatable {
    package let recent: Int
    package let random: Int
    package let seed: UInt64
    package let rule: ProbeRule

    package init(
        recent: Int = 64, random: Int = 64, seed: UInt64 = 0, rule: ProbeRule = .random
    ) {
        self.recent = recent
        self.random = random
        self.seed = seed
        self.rule = rule
    }

    /// Ascending rows: up to `random` of those before the recent ones, drawn without replacement
    /// from (seed, layer), and the `recent` last rows; fewer where the prompt is shorter. By the
    /// rule `question` the recent rows are text after the visual tokens only. Layers next to each
    /// other draw from one sequence a number apart, so that most of their random rows are neighbours.
    package func rows(of layout: PromptLayout, layer: Int) -> [Int] {
        let n = layout.count
        let text = n - layout.visual.upperBound
        let limit = rule == .question && text > 0 ? min(recent, text) : recent
        let pool = n - min(limit, n)
        var generator = SplitMix64(seed: seed, stream: layer)
        let drawn =
            rule == .stratified
            ? generator.stratifiedSample(min(random, pool), below: pool)
            : generator.sample(min(random, pool), below: pool).sorted()
        return drawn + Array(pool..<n)
    }
}

/// Steele, Lea and Flood's SplitMix64: small, seedable, the same on every machine.
package struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64, stream: Int) {
        state = seed &+ 0x9E37_79B9_7F4A_7C15 &* UInt64(truncatingIfNeeded: stream + 1)
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A number below `bound`: the high half of a 128-bit product (Lemire), without rejection; the
    /// bias is below bound / 2^64.
    package mutating func number(below bound: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// `count` distinct numbers below `bound`: the front of a Fisher-Yates shuffle.
    package mutating func sample(_ count: Int, below bound: Int) -> [Int] {
        var moved: [Int: Int] = [:]
        return (0..<count).map { i in
            let j = i + number(below: bound - i)
            let drawn = moved[j] ?? j
            moved[j] = moved[i] ?? i
            return drawn
        }
    }

    /// One number from each of `count` equal slices of 0..<bound, ascending.
    mutating func stratifiedSample(_ count: Int, below bound: Int) -> [Int] {
        (0..<count).map { slice in
            let start = slice * bound / count
            return start + number(below: (slice + 1) * bound / count - start)
        }
    }
}
