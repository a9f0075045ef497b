package import Jobs

/// One answer of a needle run.
package struct NeedleResult: Sendable {
    package var needle: Needle
    package var answer: Answer

    package var isCorrect: Bool { answer.correct ?? false }
}

/// All needles at one length and depth.
package struct NeedleCell: Sendable {
    /// Frames of the haystack.
    package var length: Int
    /// Percent.
    package var depth: Double
    /// The frame that the needle took.
    package var frameIndex: Int
    package var results: [NeedleResult] = []

    package var correct: Int { results.filter(\.isCorrect).count }

    /// `nil` without results.
    package var accuracy: Double? {
        results.isEmpty ? nil : Double(correct) / Double(results.count)
    }

    /// Mean of a figure over the answers that have it.
    package func mean(_ figure: (Answer) -> Double?) -> Double? {
        let values = results.compactMap { figure($0.answer) }
        return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }
}

extension [NeedleCell] {
    /// Right answers of all; `nil` without results.
    package var accuracy: Double? {
        let count = reduce(0) { $0 + $1.results.count }
        return count > 0 ? Double(reduce(0) { $0 + $1.correct }) / Double(count) : nil
    }

    package func cell(length: Int, depth: Double) -> NeedleCell? {
        first { $0.length == length && $0.depth == depth }
    }
}
