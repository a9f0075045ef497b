import Synchronization

/// Signals on their way to the workers of a fleet, in the order in which they came.
package final class SignalRelay: Sendable {
    private let waiting = Mutex<[Int32]>([])

    package init() {}

    package func send(_ signal: Int32) { waiting.withLock { $0.append(signal) } }

    func taken() -> [Int32] {
        waiting.withLock { signals in
            defer { signals = [] }
            return signals
        }
    }
}
