import Foundation
package import Schema

/// What a `SQLiteQueue` takes from its surroundings; tests put their own in.
package struct QueueEnvironment: Sendable {
    /// Unix milliseconds UTC.
    package var now: @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970 * 1000) }
    package var host = HostIdentity.current
    /// How long a call waits for another process's transaction.
    package var busyTimeout: Double = 30
    /// Whether only `GuardedCheckpoint` may checkpoint.
    package var guardsCheckpoints = SQLiteSafety.needsGuard
    /// Text of `/proc/mounts`.
    package var mounts: @Sendable () -> String = {
        (try? String(contentsOfFile: "/proc/mounts", encoding: .utf8)) ?? ""
    }
    package var migrations = Schema.sqlite
    /// Bytes of write-ahead log after which a worker checkpoints between two jobs.
    package var logLimit: Int64 = 8 << 20

    package init() {}
}
