import Foundation

/// A connection that is made when it is first needed and made again after it broke, with a thread of
/// its own on which everything about it happens in turn.
///
/// What was under way when a connection broke may have gone through or not. Before anything else is
/// done on the new one, the server process of the old one is ended, so that its statement cannot
/// still come into effect afterwards; then what there is is what there will be. A single statement is
/// then repeated, and must be written so that this does no harm. A transaction's fate is asked for
/// by its number.
final class PostgresConnection: @unchecked Sendable {
    // Unchecked: what changes is touched on `queue` only.
    let target: PostgresTarget
    private let role: String
    private let settings: String
    private let queue: DispatchQueue
    private var session: PostgresSession?
    private var abandoned: PostgresSession.Backend?

    /// - Parameter settings: SQL that every session begins with
    init(target: PostgresTarget, role: String, settings: String) {
        self.target = target
        self.role = role
        self.settings = settings
        queue = DispatchQueue(label: "postgres \(role)")
    }

    /// Statements that each stand for themselves. After a broken connection all are run again.
    func perform<T: Sendable>(
        within limit: Duration,
        _ body: @escaping @Sendable (PostgresSession) throws -> T
    ) async throws -> T {
        let deadline = ContinuousClock.now + limit
        return try await onQueue { try self.repeating(deadline, body) }
    }

    /// One transaction: `body` runs between BEGIN and COMMIT, and again when it is known not to have
    /// been committed.
    func transaction<T: Sendable>(
        within limit: Duration, _ mode: String = "",
        _ body: @escaping @Sendable (PostgresSession) throws -> T
    ) async throws -> T {
        let deadline = ContinuousClock.now + limit
        return try await onQueue { try self.committing(deadline, mode, body) }
    }

    /// Waits on the calling thread: for opening only.
    func performNow<T>(
        within limit: Duration, _ body: (PostgresSession) throws -> T
    ) throws(QueueError) -> T {
        let deadline = ContinuousClock.now + limit
        let result = queue.sync { Result { try repeating(deadline, body) } }
        do { return try result.get() } catch { throw queueError(error) }
    }

    func close() async {
        _ = try? await onQueue { self.session = nil }
    }

    private func onQueue<T: Sendable>(
        _ work: @escaping @Sendable () throws -> T
    ) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            queue.async {
                continuation.resume(with: Result { try work() }.mapError(self.queueError))
            }
        }
    }

    private func queueError(_ error: any Error) -> QueueError {
        switch error {
        case let error as QueueError: error
        case let error as PostgresFailure: error.queueError(target)
        default: QueueError(.unavailable, "\(target.title): \(error)")
        }
    }

    // MARK: On the queue

    /// How often a call is begun anew before its deadline.
    private static let tries = 5
    /// With less time left nothing is begun: it would only break a connection that is in order.
    private static let least = Duration.milliseconds(500)

    private func repeating<T>(
        _ deadline: ContinuousClock.Instant, _ body: (PostgresSession) throws -> T
    ) throws -> T {
        var tries = 0
        while true {
            let session = try ready(deadline)
            do {
                return try body(session)
            } catch {
                tries += 1
                try recover(from: error, session, mayRepeat: tries < Self.tries, deadline)
            }
        }
    }

    private func committing<T>(
        _ deadline: ContinuousClock.Instant, _ mode: String, _ body: (PostgresSession) throws -> T
    ) throws -> T {
        var tries = 0
        while true {
            let session = try ready(deadline)
            var value: T?
            var transaction: String?
            do {
                try session.script("BEGIN \(mode)")
                let result = try body(session)
                transaction = try session.run(
                    "SELECT pg_current_xact_id_if_assigned()::text AS id"
                ).first?.optional("id")
                value = result
                try session.script("COMMIT")
                return result
            } catch {
                tries += 1
                try recover(from: error, session, mayRepeat: tries < Self.tries, deadline)
                guard let value else { continue }
                // Broken while it was being committed; without a number it changed nothing.
                guard let transaction else { return value }
                if try isCommitted(transaction, deadline) { return value }
            }
        }
    }

    /// Returns when the call may be begun anew.
    private func recover(
        from error: any Error, _ session: PostgresSession, mayRepeat: Bool,
        _ deadline: ContinuousClock.Instant
    ) throws {
        if session.isBroken {
            abandoned = session.backend
            self.session = nil
        } else if session.isInTransaction {
            _ = try? session.script("ROLLBACK")
        }
        guard let failure = error as? PostgresFailure, mayRepeat,
            ContinuousClock.now + Self.least < deadline
        else { throw error }
        if failure.isLost { return }
        if failure.isStalePlan {
            try session.forgetPrepared()
        } else if failure.isTransient {
            usleep(.random(in: 1_000...20_000))
        } else {
            throw error
        }
    }

    private func isCommitted(
        _ transaction: String, _ deadline: ContinuousClock.Instant
    ) throws -> Bool {
        while true {
            let status: String? = try repeating(deadline) { session in
                try session.run(
                    "SELECT pg_xact_status($1::xid8) AS status", [transaction]
                ).first?.optional("status")
            }
            switch status {
            case "committed": return true
            case "aborted": return false
            default:
                guard status != nil, ContinuousClock.now + Self.least < deadline else {
                    throw QueueError(
                        .unavailable,
                        "\(target.title): the connection broke while a transaction was committed, "
                            + "and the server does not say whether it was")
                }
                usleep(20_000)
            }
        }
    }

    private func ready(_ deadline: ContinuousClock.Instant) throws -> PostgresSession {
        guard ContinuousClock.now + Self.least < deadline else {
            throw QueueError(
                .unavailable, "\(target.title): the call waited too long for its connection")
        }
        if let session, !session.isBroken {
            session.deadline = deadline
            return session
        }
        session = nil
        let fresh = try PostgresSession(
            target, role: role, deadline: min(deadline, .now + .seconds(10)))
        try fresh.script(settings)
        try fresh.identify()
        try endAbandoned(fresh)
        fresh.deadline = deadline
        session = fresh
        return fresh
    }

    private func endAbandoned(_ session: PostgresSession) throws {
        guard let backend = abandoned else { return }
        do {
            try session.run(
                """
                SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                WHERE pid = $1::integer AND backend_start::text = $2
                """, [backend.process, backend.start])
        } catch let failure as PostgresFailure where !failure.isLost {
            // A proxy between here and the server, say: its process was not ours.
        }
        abandoned = nil
    }
}
