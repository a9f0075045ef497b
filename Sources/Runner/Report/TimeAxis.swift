/// An axis of time on which long stretches without work are cut out: a batch may rest for a day
/// between two nights.
struct TimeAxis {
    /// Work without a long pause.
    struct Part: Equatable {
        /// Seconds since 1970.
        var start: Double
        var end: Double
        /// Pixels.
        var left: Double
        var right: Double
    }

    private(set) var parts: [Part]

    /// Most parts, and pixels between two.
    private static let (most, space) = (6, 18.0)

    /// - Parameters:
    ///   - intervals: from when to when there was work; at least one
    ///   - left: pixel at which the axis begins; it ends at `right`
    init(_ intervals: [(start: Double, end: Double)], left: Double, right: Double) {
        var parts: [Part] = []
        for interval in intervals.sorted(by: { $0.start < $1.start }) {
            if let last = parts.last, interval.start <= last.end {
                parts[parts.count - 1].end = max(last.end, interval.end)
            } else {
                parts.append(Part(start: interval.start, end: interval.end, left: 0, right: 0))
            }
        }
        let worked = parts.reduce(0) { $0 + $1.end - $1.start }
        var shortest = max(60, worked * 0.25)
        var joined = Self.join(parts, below: shortest)
        while joined.count > Self.most {
            shortest *= 2
            joined = Self.join(joined, below: shortest)
        }
        self.parts = Self.place(joined, left, right)
    }

    private static func join(_ parts: [Part], below pause: Double) -> [Part] {
        parts.reduce(into: []) { joined, part in
            if let last = joined.last, part.start - last.end < pause {
                joined[joined.count - 1].end = part.end
            } else {
                joined.append(part)
            }
        }
    }

    /// Each part gets room by its length, and enough to be seen.
    private static func place(_ parts: [Part], _ left: Double, _ right: Double) -> [Part] {
        let room = right - left - space * Double(parts.count - 1)
        let length = parts.reduce(0) { $0 + $1.end - $1.start }
        let least = room * 0.08
        let weights = parts.map { part in
            length > 0 ? max(room * (part.end - part.start) / length, least) : 1
        }
        let scale = room / max(weights.reduce(0, +), 1e-9)
        var place = left
        return zip(parts, weights).map { part, weight in
            defer { place += weight * scale + space }
            return Part(
                start: part.start, end: part.end, left: place, right: place + weight * scale)
        }
    }

    func pixel(_ time: Double) -> Double {
        guard let first = parts.first, let last = parts.last else { return 0 }
        let part = parts.last { $0.start <= time } ?? first
        guard part.end > part.start else { return (part.left + part.right) / 2 }
        let share = (min(time, part.end) - part.start) / (part.end - part.start)
        return min(max(part.left + share * (part.right - part.left), first.left), last.right)
    }

    /// Round moments: pixel, and the time of day in UTC.
    var ticks: [(pixel: Double, text: String)] {
        parts.flatMap { part -> [(pixel: Double, text: String)] in
            let room = max(1, Int((part.right - part.left) / 90))
            let step = Self.step(over: part.end - part.start, atMost: room)
            guard let step else { return [] }
            let (first, last) = (
                (part.start / step).rounded(.up), (part.end / step).rounded(.down)
            )
            guard first <= last else { return [] }
            return stride(from: first, through: last, by: 1).map {
                (pixel($0 * step), ReportTime.clock($0 * step, hasSeconds: step < 60))
            }
        }
    }

    private static func step(over span: Double, atMost count: Int) -> Double? {
        let steps: [Double] = [
            1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200,
            86400,
        ]
        return steps.first { span / $0 <= Double(count) }
            ?? (span / 86400 / Double(count)).rounded(.up) * 86400
    }
}
