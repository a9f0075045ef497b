import Foundation
package import Schema

/// What a `PostgresQueue` takes from its surroundings; tests put their own in.
package struct PostgresEnvironment: Sendable {
    /// SQL expression of type bigint: Unix milliseconds UTC by the server's clock.
    package var now: @Sendable () -> String = {
        "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    }
    package var host = HostIdentity.current
    /// Folder of the workers' lock files on this host; `nil` makes one for the database in
    /// `XDG_RUNTIME_DIR` or `/tmp`.
    package var lockFolder: String?
    /// After this time a short call ends, whatever the server and the network do.
    package var callLimit: Duration = .seconds(12)
    /// The same for calls over many rows: enqueue, prune, move.
    package var longCallLimit: Duration = .seconds(900)
    /// After this time the server ends a short statement, in milliseconds; below `callLimit`, so that
    /// a statement that is merely slow costs no connection.
    package var statementTimeout = 10_000
    /// After this time the server gives up waiting for a lock, in milliseconds.
    package var lockTimeout = 5_000
    package var migrations = Schema.postgres

    package init() {}
}
