import Foundation
import Synchronization

/// Hears of new work by LISTEN, on a connection and a thread of its own that live from the first wait
/// to the end of the queue object. While there is no connection, waits simply last as long as they may.
final class PostgresListener: Sendable {
    static let channel = "zipvl_work"

    private struct State {
        var isRunning = false
        var isStopped = false
        /// Grows with every notification, and with every connection, as some may have been missed.
        var count = 0
        /// `count` when the last claim that found nothing began: what came since is news.
        var seen = 0
        var waiting: [Int: AsyncStream<Void>.Continuation] = [:]
        var next = 0
    }

    private let target: PostgresTarget
    private let state = Mutex(State())

    init(target: PostgresTarget) { self.target = target }

    /// To be noted before a claim, and given to `foundNothing` after it.
    var count: Int { state.withLock { $0.count } }

    func foundNothing(since count: Int) { state.withLock { $0.seen = max($0.seen, count) } }

    /// Returns at a notification, at once when one has come since the last empty claim.
    func wait(upTo limit: Duration) async {
        start()
        let (stream, continuation) = AsyncStream.makeStream(
            of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let key: Int? = state.withLock { state in
            if state.count > state.seen {
                state.seen = state.count
                return nil
            }
            state.next += 1
            state.waiting[state.next] = continuation
            return state.next
        }
        guard let key else { return }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await Task.sleep(for: limit) }
            group.addTask { for await _ in stream { return } }
            await group.next()
            group.cancelAll()
        }
        _ = state.withLock { $0.waiting.removeValue(forKey: key) }
    }

    /// Ends the thread, within half a second.
    func stop() { state.withLock { $0.isStopped = true } }

    private func start() {
        let isFirst = state.withLock { state in
            defer { state.isRunning = true }
            return !state.isRunning
        }
        guard isFirst else { return }
        let thread = Thread { [self] in listen() }
        thread.name = "postgres listen"
        thread.start()
    }

    private var isStopped: Bool { state.withLock { $0.isStopped } }

    private func listen() {
        var pause = 0.1
        while !isStopped {
            do {
                let session = try PostgresSession(
                    target, role: "listen", deadline: .now + .seconds(10))
                try session.script("LISTEN \(Self.channel)")
                pause = 0.1
                wake(isNews: true)
                while !isStopped {
                    if try session.awaitNotification(.milliseconds(500)) { wake(isNews: true) }
                }
            } catch {
                // The server is away: others say so; here it is tried again, ever more seldom.
                Thread.sleep(forTimeInterval: pause)
                pause = min(pause * 2, 5)
            }
        }
        wake(isNews: false)
    }

    private func wake(isNews: Bool) {
        let waiting = state.withLock { state in
            if isNews { state.count += 1 }
            return Array(state.waiting.values)
        }
        for continuation in waiting { continuation.yield() }
    }
}
