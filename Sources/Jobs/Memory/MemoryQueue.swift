import Foundation
import Synchronization

/// The rules of the queue in their simplest form, in the memory of one process.
///
/// It is what the other back ends are compared with, so it is written from the rules and not from
/// their statements: plain rows, looked through from end to end, one call at a time. For tests; what
/// it holds ends with the process.
package final class MemoryQueue: QueueBackend {
    package let title = "memory"
    package let capabilities = BackendCapabilities(
        isMultiHost: false, pushesWakeups: false, usesServerClock: false)
    let host: HostIdentity
    /// Whether workers of this host are known to live or to be dead; else only leases tell.
    let seesLives: Bool
    private let now: @Sendable () -> Int64
    private let tables = Mutex(MemoryTables())

    /// - Parameter now: Unix milliseconds UTC
    package init(
        host: HostIdentity = .current, seesLives: Bool = true,
        now: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970 * 1000) }
    ) {
        self.host = host
        self.seesLives = seesLives
        self.now = now
    }

    /// One transaction. `body` throws before it changes anything.
    func write<T: Sendable>(
        _ body: (inout MemoryTables, _ now: Int64) throws(QueueError) -> T
    ) throws(QueueError) -> T {
        let result = tables.withLock { tables -> Result<T, QueueError> in
            do throws(QueueError) {
                let value = try body(&tables, now())
                tables.changes += 1
                return .success(value)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    func read<T: Sendable>(_ body: (MemoryTables, _ now: Int64) -> T) -> T {
        tables.withLock { body($0, now()) }
    }

    /// As the end of its process does to a worker: its lock is free, its row stays.
    package func endLife(of worker: WorkerID) {
        tables.withLock { $0.workers[worker]?.isAlive = false }
    }

    /// How many jobs of a queue may run at a time; `nil` for any number.
    package func limit(queue: String, toRunning count: Int?) {
        tables.withLock { $0.queues[queue, default: MemoryQueueRow()].maxRunning = count }
    }

    package func waitForWork(upTo limit: Duration) async throws {
        let deadline = ContinuousClock.now + limit
        let before = read { tables, _ in tables.changes }
        while ContinuousClock.now < deadline && read({ tables, _ in tables.changes }) == before {
            let rest = ContinuousClock.now.duration(to: deadline)
            guard (try? await Task.sleep(for: min(rest, .milliseconds(20)))) != nil else { return }
        }
    }
}
