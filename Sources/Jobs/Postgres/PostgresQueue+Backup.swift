import Foundation
import Glibc

extension PostgresQueue {
    /// Writes the rows of one snapshot into an SQLite queue: a file that this program can open as it
    /// is, or move back. Compared with the server's rows of the same snapshot before it gets its name.
    package func backup(to path: String) async throws {
        guard ContentIdentity.statistics(path) == nil else {
            throw QueueError(.invalid, "\(path): exists already")
        }
        let part = "\(path).\(getpid())-\(UInt32.random(in: .min ... .max)).part"
        defer {
            for suffix in ["", "-wal", "-shm", "-journal", ".maint.lock"] { unlink(part + suffix) }
        }
        let reader = PostgresReader(self, chunk: 1000, refusesRunning: false)
        do {
            let copy = try SQLiteQueue(path: part)
            try await copy.writeAll { try await reader.next() }
            let (expected, found) = (try await reader.summary(), try await copy.transferSummary())
            guard expected == found else {
                throw QueueError(
                    .corrupt, "\(path): the copy has \(found), expected \(expected) of \(title)")
            }
            try await copy.backup(to: path)
        } catch {
            await reader.close()
            throw error
        }
        await reader.close()
    }
}
