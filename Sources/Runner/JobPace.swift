/// How long recent jobs took, for what still fits in before the time to end.
struct JobPace {
    private var recent: [Duration] = []
    static let window = 50

    mutating func add(_ time: Duration) {
        recent.append(time)
        if recent.count > Self.window { recent.removeFirst() }
    }

    /// Nine of ten recent jobs took no longer; `nil` before the first.
    var p90: Duration? {
        guard !recent.isEmpty else { return nil }
        // The nearest rank: the least value that at least 90% are not above.
        return recent.sorted()[(recent.count * 9 + 9) / 10 - 1]
    }
}
