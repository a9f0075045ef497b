import Foundation
import GRDB
import Glibc

/// A worker as its row tells, and what can be found out about its life from here.
struct KnownWorker: Sendable, Hashable {
    var id: WorkerID
    var host: HostIdentity
    var lockName: String?

    /// From columns of `workers`.
    init(row: Row) throws {
        let lockPath: String? = try row.optional("lock_path")
        id = try row.value("worker_id")
        host = HostIdentity(host: try row.value("host"), bootID: try row.value("boot_id"))
        // By name, to be looked up in the queue's own folder: a worker in another container may
        // have seen that folder under another path.
        lockName = lockPath.map { URL(fileURLWithPath: $0).lastPathComponent }
    }
}

extension SQLiteQueue {
    /// Whether the worker of this kernel is alive; `nil` for a worker elsewhere.
    func isAlive(_ worker: KnownWorker) throws -> Bool? {
        guard worker.host == environment.host, let name = worker.lockName else { return nil }
        return try !FileLock.isFree("\(lockFolder)/\(name)")
    }

    /// Nobody asks for these locks any more: without its file a worker counts as gone.
    func removeLocks(of workers: some Sequence<KnownWorker>) {
        for name in workers.compactMap(\.lockName) { unlink("\(lockFolder)/\(name)") }
    }

    /// Marks workers that died between two jobs, and clears their lock files away.
    func buryIdleWorkers() async throws {
        let dead = try await read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT * FROM workers w WHERE stopped_at_ms IS NULL AND NOT EXISTS (
                        SELECT 1 FROM attempts t
                        JOIN jobs j ON j.job_id = t.job_id AND j.attempt_id = t.attempt_id
                        WHERE t.worker_id = w.worker_id AND t.ended_at_ms IS NULL)
                    """
            ).map(KnownWorker.init(row:))
        }.filter { try isAlive($0) == false }
        guard !dead.isEmpty else { return }
        try await write { db, now in
            for worker in dead { try Self.bury(db, worker.id, now) }
        }
        removeLocks(of: dead)
    }

    static func bury(_ db: Database, _ worker: WorkerID, _ now: Int64) throws {
        try db.execute(
            sql: """
                UPDATE workers SET stopped_at_ms = ?, stop_reason = 'died'
                WHERE worker_id = ? AND stopped_at_ms IS NULL
                """, arguments: [now, worker])
    }
}
