package import Foundation

/// When a worker that died is started again, and how long one may take to end.
package struct FleetPolicy: Sendable {
    /// Before the first new start; doubled at each further one.
    package var firstDelay: Duration = .seconds(1)
    package var longestDelay: Duration = .seconds(60)
    /// A worker that died more often than this within `window` is given up.
    package var restarts = 5
    package var window: Duration = .seconds(600)
    /// No new start from this time on: what was to end by then is not begun again.
    package var until: Date?
    /// From the first request to stop to the second, which the fleet makes itself.
    package var grace: Duration = .seconds(660)
    /// From the second request to the end of the process, whatever it does.
    package var hardLimit: Duration = .seconds(15)

    /// Exit code of a worker that met its `--halt`: the others are asked to stop, too.
    package var haltCode: Int32 = 6
    /// Whether they then give up the jobs that they have in hand.
    package var haltsNow = false

    package init() {}

    /// The time before the next start.
    ///
    /// - Parameter recent: new starts within the window
    /// - Returns: `nil` where the worker is given up
    package func delay(recent: Int) -> Duration? {
        guard recent < restarts else { return nil }
        return min(longestDelay, firstDelay * (1 << min(recent, 30)))
    }
}

/// How the exit codes of several workers become one.
package enum FleetExit {
    /// From the worst: what says that data is in danger, then what a person must mend, then what is left.
    private static let ranking: [Int32] = [76, 74, 78, 75, 1, 69, 2, 6, 5, 3, 0]

    /// - Returns: the worst; 4 (nothing to do) only where no worker had anything to do.
    package static func joined(_ codes: [Int32]) -> Int32 {
        if let ended = codes.filter({ $0 >= 128 }).max() { return ended }
        if !codes.isEmpty, codes.allSatisfy({ $0 == 4 }) { return 4 }
        func rank(_ code: Int32) -> Int {
            // One that is not known is an error like any.
            ranking.firstIndex(of: code) ?? ranking.firstIndex(of: 1) ?? 0
        }
        return codes.filter { $0 != 4 }.min { rank($0) < rank($1) } ?? 0
    }
}
