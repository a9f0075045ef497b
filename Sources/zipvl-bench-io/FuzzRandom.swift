/// SplitMix64 (Steele, Lea and Flood 2014): small, quick, and the same numbers everywhere.
struct FuzzRandom: RandomNumberGenerator {
    private var state: UInt64

    /// The generator of file `number` in the run of a seed: any file can be made again by itself.
    init(seed: UInt64, number: Int) {
        state = seed
        state = next() ^ UInt64(truncatingIfNeeded: number)
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// A number below `limit`; 0 where there is none.
    mutating func below(_ limit: Int) -> Int {
        limit > 0 ? Int.random(in: 0..<limit, using: &self) : 0
    }

    /// A piece of something of `count` bytes, at most `longest` long: every order of magnitude is as likely.
    mutating func piece(of count: Int, longest: Int) -> Range<Int> {
        let most = min(count, max(1, longest))
        let power = below(most.bitWidth - most.leadingZeroBitCount)
        let length = min(most, 1 << power + below(1 << power))
        let start = below(count - length + 1)
        return start..<(start + length)
    }
}
