import GRDB

extension QueueError {
    /// Says what an SQLite error means to whoever runs the queue at `path`.
    init(_ error: any Error, path: String) {
        switch error {
        case let error as QueueError:
            self = error
        case let error as DatabaseError:
            self.init(Self.kind(of: error, path: path), "\(path): \(Self.reason(error))")
        default:
            self.init(.unavailable, "\(path): \(error)")
        }
    }

    private static func kind(of error: DatabaseError, path: String) -> Kind {
        switch error.resultCode {
        case .SQLITE_BUSY, .SQLITE_LOCKED: .busy
        case .SQLITE_FULL: .full
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: .corrupt
        case .SQLITE_CONSTRAINT, .SQLITE_MISMATCH, .SQLITE_RANGE, .SQLITE_TOOBIG, .SQLITE_ERROR:
            .invalid
        case .SQLITE_IOERR, .SQLITE_CANTOPEN:
            // The log's index cannot grow on a full disk either, and that has no code of its own.
            Ballast.room(at: path).map { $0.free < 65536 } == true ? .full : .unavailable
        default: .unavailable
        }
    }

    private static func reason(_ error: DatabaseError) -> String {
        // The statement is named, its arguments (people's questions) are not.
        let statement = error.sql.map { ", in: \($0)" } ?? ""
        return "SQLite error \(error.extendedResultCode.rawValue): "
            + (error.message ?? "no message") + statement
    }
}

/// Runs `body` and turns whatever it throws into a `QueueError` that names `path`.
func mappingErrors<T>(_ path: String, _ body: () throws -> T) throws(QueueError) -> T {
    do { return try body() } catch { throw QueueError(error, path: path) }
}
