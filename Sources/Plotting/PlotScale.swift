import Glibc

/// Maps values of an axis to pixels.
package struct PlotScale: Sendable, Equatable {
    package var values: ClosedRange<Double>
    /// Pixels of the lower and of the upper end; the upper one is smaller on a vertical axis.
    package var start: Double
    package var end: Double

    package init(values: ClosedRange<Double>, start: Double, end: Double) {
        self.values = values
        self.start = start
        self.end = end
    }

    package func pixel(_ value: Double) -> Double {
        let span = values.upperBound - values.lowerBound
        guard span > 0 else { return (start + end) / 2 }
        return start + (value - values.lowerBound) / span * (end - start)
    }

    /// The widest of the steps 1, 2, 5, 10 ... that still gives `count` intervals or fewer over `span`.
    package static func step(over span: Double, atMost count: Int) -> Double {
        guard span > 0, span.isFinite, count > 0 else { return 1 }
        let least = span / Double(count)
        let power = pow(10, floor(log10(least)))
        // A hair of tolerance, so that 100 in 5 intervals is 20 apart.
        let factor = [1.0, 2, 5].first { $0 * power >= least * (1 - 1e-9) } ?? 10
        return factor * power
    }

    /// Round numbers within the axis.
    package func ticks(atMost count: Int) -> [Double] {
        let step = Self.step(over: values.upperBound - values.lowerBound, atMost: count)
        let first = Int((values.lowerBound / step - 1e-9).rounded(.up))
        let last = Int((values.upperBound / step + 1e-9).rounded(.down))
        return first <= last ? (first...last).map { Double($0) * step } : []
    }

    /// "20", "0.4"
    package static func text(_ value: Double) -> String {
        let hundredths = (value * 100).rounded() / 100
        return hundredths == hundredths.rounded() && abs(hundredths) < 1e9
            ? "\(Int(hundredths))" : "\(hundredths)"
    }
}
