/// Asked to stop once: finish the job in hand. Asked twice: give it up at once.
package final class StopSignal: Sendable {
    /// Who asked: the number of the signal (`SIGINT`, `SIGTERM`), or 0.
    let first = Latch<Int32>()
    let second = Latch<Int32>()

    package init() {}

    package func request(signal: Int32 = 0) {
        if !first.set(signal) { second.set(signal) }
    }

    /// Who asked first.
    package var signal: Int32? { first.value }
    package var isRequested: Bool { first.value != nil }
    package var isForced: Bool { second.value != nil }
}
