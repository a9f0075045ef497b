/// Weights of one axis in 22-bit fixed point, for the outputs of a range.
struct ResampleWeights {
    /// First source index of each output.
    private(set) var starts: [Int] = []
    /// Number of source values of each output.
    private(set) var counts: [Int] = []
    /// Weights as `zvl_blend16` takes them: `packedTaps` words for each output, of each two taps the upper
    /// halves and then the lower ones, zero beyond the output's count.
    private(set) var packed: [Int32] = []
    let packedTaps: Int

    static let bits: Int32 = 22

    /// - Parameters:
    ///   - input: source length
    ///   - output: length of the whole result, of which `range` is wanted
    init(input: Int, output: Int, range: Range<Int>) {
        let scale = Double(input) / Double(output)
        let filterScale = max(scale, 1)
        // Bicubic, widened when it shrinks: that is the antialiasing.
        let support = 2 * filterScale
        packedTaps = Int(support.rounded(.up)) * 2 + 2
        for index in range {
            let center = (Double(index) + 0.5) * scale
            let start = max(0, Int(center - support + 0.5))
            let end = min(input, Int(center + support + 0.5))
            var weights = (start..<end).map {
                Self.bicubic((Double($0) - center + 0.5) * (1 / filterScale))
            }
            let sum = weights.reduce(0, +)
            if sum != 0 { weights = weights.map { $0 / sum } }
            starts.append(start)
            counts.append(weights.count)
            pack(
                weights.map {
                    let scaled = $0 * Double(1 << Self.bits)
                    return Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
                })
        }
    }

    /// Where the sources of all outputs together lie.
    var sources: Range<Int> {
        let ends = zip(starts, counts).map { $0 + $1 }
        return (starts.min() ?? 0)..<(ends.max() ?? 0)
    }

    private mutating func pack(_ weights: [Int32]) {
        func pair(_ even: Int32, _ odd: Int32) -> Int32 { even & 0xFFFF | odd << 16 }
        for tap in stride(from: 0, to: packedTaps, by: 2) {
            let even = tap < weights.count ? weights[tap] : 0
            let odd = tap + 1 < weights.count ? weights[tap + 1] : 0
            packed.append(pair(even >> 11, odd >> 11))
            packed.append(pair(even & 0x7FF, odd & 0x7FF))
        }
    }

    /// Keys' cubic convolution kernel with a = -1/2.
    static func bicubic(_ position: Double) -> Double {
        let x = abs(position)
        if x < 1 { return (1.5 * x - 2.5) * x * x + 1 }
        if x < 2 { return ((-0.5 * x + 2.5) * x - 4) * x + 2 }
        return 0
    }
}
