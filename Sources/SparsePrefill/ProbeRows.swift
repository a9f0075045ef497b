/// Which query rows score the tokens: the most recent ones and a seeded random choice of the others.
package struct ProbeRows: Sendable, Equatable {
    package let recent: Int
    package let random: Int
    package let seed: UInt64

    package init(recent: Int = 64, random: Int = 64, seed: UInt64 = 0) {
        self.recent = recent
        self.random = random
        self.seed = seed
    }

    /// Ascending original positions: `random` of the first n - recent rows, drawn without replacement
    /// from (seed, layer), and the last `recent` rows; fewer where the prompt is shorter.
    package func rows(ofPromptWith n: Int, layer: Int) -> [Int] {
        let recent = min(recent, n)
        let pool = n - recent
        var generator = SplitMix64(seed: seed, stream: layer)
        return generator.sample(min(random, pool), below: pool).sorted() + Array(pool..<n)
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

    /// `count` distinct numbers below `bound`: the front of a Fisher-Yates shuffle. A number is
    /// drawn as the high half of a 128-bit product (Lemire), without rejection: the bias is below
    /// bound / 2^64.
    mutating func sample(_ count: Int, below bound: Int) -> [Int] {
        var moved: [Int: Int] = [:]
        return (0..<count).map { i in
            let j = i + Int(next().multipliedFullWidth(by: UInt64(bound - i)).high)
            let drawn = moved[j] ?? j
            moved[j] = moved[i] ?? i
            return drawn
        }
    }
}
