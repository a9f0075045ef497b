import CPostgres
import Foundation
import Glibc

/// One connection to the server for as long as it lasts. Every wait is a poll(2) with a deadline, so
/// that a call ends even when the link is cut after the server has acknowledged what was sent: no
/// setting of the socket notices that in time.
///
/// Used by one thread at a time.
final class PostgresSession {
    /// A process of the server, told from later ones of the same number.
    struct Backend: Equatable {
        var process: Int
        var start: String
    }

    typealias Arguments = [(any PostgresValue)?]

    private let connection: OpaquePointer
    /// Waits end here.
    var deadline: ContinuousClock.Instant
    private(set) var backend: Backend?
    private(set) var isBroken = false
    private var prepared: [String: String] = [:]

    /// Connects, and ends when `deadline` does.
    init(
        _ target: PostgresTarget, role: String, deadline: ContinuousClock.Instant
    ) throws(PostgresFailure) {
        let (keywords, values) = target.parameters(role: role)
        let started = withCStrings(keywords) { keywords in
            withCStrings(values) { PQconnectStartParams(keywords, $0, 1) }
        }
        guard let started else { throw PostgresFailure(message: "out of memory") }
        connection = started
        self.deadline = deadline
        do throws(PostgresFailure) {
            try connect()
        } catch {
            // Not a lost statement: nothing was sent yet.
            throw PostgresFailure(state: error.state, message: error.message)
        }
    }

    deinit { PQfinish(connection) }

    private func connect() throws(PostgresFailure) {
        guard PQstatus(connection) != CONNECTION_BAD else { throw lost() }
        var wanted = PGRES_POLLING_WRITING
        while true {
            try wait(for: wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT)
            wanted = PQconnectPoll(connection)
            if wanted == PGRES_POLLING_OK { break }
            if wanted == PGRES_POLLING_FAILED { throw lost() }
        }
        guard PQsetnonblocking(connection, 1) == 0 else { throw lost() }
    }

    /// Several statements without arguments, or one; the rows of the last.
    @discardableResult
    func script(_ sql: String) throws(PostgresFailure) -> [PostgresRow] {
        try refuseBroken()
        guard PQsendQuery(connection, sql) == 1 else { throw lost() }
        return try receive()
    }

    @discardableResult
    func run(_ sql: String, _ arguments: Arguments = []) throws -> [PostgresRow] {
        try refuseBroken()
        let texts = try Self.texts(arguments)
        let sent = withCStrings(texts) {
            PQsendQueryParams(connection, sql, Int32(texts.count), nil, $0, nil, nil, 0)
        }
        guard sent == 1 else { throw lost() }
        return try receive()
    }

    /// For what is run over and over: the server parses and plans it once.
    @discardableResult
    func runPrepared(_ sql: String, _ arguments: Arguments = []) throws -> [PostgresRow] {
        try refuseBroken()
        let texts = try Self.texts(arguments)
        let name = try prepare(sql)
        let sent = withCStrings(texts) {
            PQsendQueryPrepared(connection, name, Int32(texts.count), $0, nil, nil, 0)
        }
        guard sent == 1 else { throw lost() }
        return try receive()
    }

    private func prepare(_ sql: String) throws(PostgresFailure) -> String {
        if let name = prepared[sql] { return name }
        let name = "zipvl_\(prepared.count)"
        guard PQsendPrepare(connection, name, sql, 0, nil) == 1 else { throw lost() }
        _ = try receive()
        prepared[sql] = name
        return name
    }

    func forgetPrepared() throws(PostgresFailure) {
        prepared = [:]
        try script("DEALLOCATE ALL")
    }

    var isInTransaction: Bool { PQtransactionStatus(connection) != PQTRANS_IDLE }

    /// Which process of the server this connection talks to.
    func identify() throws {
        let row = try run(
            """
            SELECT pg_backend_pid() AS process,
                (SELECT backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid())
                    AS start
            """
        ).first
        guard let row else { return }
        backend = Backend(process: try row.value("process"), start: try row.optional("start") ?? "")
    }

    /// PostgreSQL's texts end at a NUL, so that one within a text would cut it short in silence.
    private static func texts(_ arguments: Arguments) throws(QueueError) -> [String?] {
        // What is no number is no value, as in SQLite.
        let texts = arguments.map { ($0 as? Double)?.isNaN == true ? nil : $0?.postgresText }
        guard !texts.contains(where: { $0?.utf8.contains(0) == true }) else {
            throw QueueError(
                .invalid, "a text contains the character U+0000, which PostgreSQL cannot store")
        }
        return texts
    }

    // MARK: Waiting

    private func refuseBroken() throws(PostgresFailure) {
        if isBroken { throw PostgresFailure(message: "the connection is gone", isLost: true) }
    }

    private func receive() throws(PostgresFailure) -> [PostgresRow] {
        while true {
            let left = PQflush(connection)
            if left == 0 { break }
            if left < 0 { throw lost() }
            // The server may want to be read from before it takes more.
            try wait(for: POLLIN | POLLOUT)
            if PQconsumeInput(connection) == 0 { throw lost() }
        }
        var rows: [PostgresRow] = []
        var failure: PostgresFailure?
        while true {
            while PQisBusy(connection) != 0 {
                try wait(for: POLLIN)
                if PQconsumeInput(connection) == 0 { throw lost() }
            }
            guard let result = PQgetResult(connection) else { break }
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_TUPLES_OK: rows = Self.rows(result)
            case PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: rows = []
            default: failure = failure ?? Self.failure(result)
            }
        }
        if PQstatus(connection) == CONNECTION_BAD || failure?.state?.hasPrefix("57P") == true {
            throw lost(failure)
        }
        if let failure { throw failure }
        return rows
    }

    private func wait(for events: Int32) throws(PostgresFailure) {
        while true {
            let left = deadline - ContinuousClock.now
            guard left > .zero else {
                isBroken = true
                throw PostgresFailure(message: "the server did not answer in time", isLost: true)
            }
            var descriptor = pollfd(
                fd: PQsocket(connection), events: Int16(events), revents: 0)
            guard descriptor.fd >= 0 else { throw lost() }
            let result = poll(&descriptor, 1, Int32(clamping: left.milliseconds + 1))
            if result > 0 { return }
            if result < 0 && errno != EINTR { throw lost() }
        }
    }

    /// What libpq says of a connection that is gone.
    private func lost(_ failure: PostgresFailure? = nil) -> PostgresFailure {
        isBroken = true
        let message =
            failure?.message ?? PQerrorMessage(connection).map { String(cString: $0) } ?? ""
        return PostgresFailure(
            state: failure?.state, message: message.isEmpty ? "the connection is gone" : message,
            isLost: true)
    }

    private static func failure(_ result: OpaquePointer) -> PostgresFailure {
        func field(_ code: Unicode.Scalar) -> String? {
            PQresultErrorField(result, Int32(code.value)).map { String(cString: $0) }
        }
        // C: SQLSTATE, M: primary message. Not the detail: it quotes rows, people's questions.
        return PostgresFailure(
            state: field("C"),
            message: field("M") ?? PQresultErrorMessage(result).map { String(cString: $0) } ?? "")
    }

    private static func rows(_ result: OpaquePointer) -> [PostgresRow] {
        let width = PQnfields(result)
        let columns = PostgresRow.Columns(
            names: (0..<width).map { PQfname(result, $0).map { String(cString: $0) } ?? "" },
            types: (0..<width).map { PQftype(result, $0) })
        return (0..<PQntuples(result)).map { row in
            PostgresRow(
                columns: columns,
                texts: (0..<width).map { column in
                    PQgetisnull(result, row, column) != 0
                        ? nil : PQgetvalue(result, row, column).map { String(cString: $0) }
                })
        }
    }

    // MARK: Notifications

    /// Whether a notification has come; waits for one until `limit`.
    func awaitNotification(_ limit: Duration) throws(PostgresFailure) -> Bool {
        let end = ContinuousClock.now + limit
        while true {
            if PQconsumeInput(connection) == 0 { throw lost() }
            var isNotified = false
            while let notification = PQnotifies(connection) {
                PQfreemem(notification)
                isNotified = true
            }
            if isNotified { return true }
            let left = end - ContinuousClock.now
            guard left > .zero else { return false }
            var descriptor = pollfd(fd: PQsocket(connection), events: Int16(POLLIN), revents: 0)
            if poll(&descriptor, 1, Int32(clamping: left.milliseconds + 1)) < 0 && errno != EINTR {
                throw lost()
            }
        }
    }
}

/// A NULL-terminated array of C strings, valid while `body` runs.
private func withCStrings<Result>(
    _ texts: [String?], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
) -> Result {
    let copies = texts.map { $0.flatMap { strdup($0) } }
    defer { for copy in copies { free(copy) } }
    var pointers = copies.map { $0.map { UnsafePointer($0) } }
    pointers.append(nil)
    return pointers.withUnsafeBufferPointer { body($0.baseAddress) }
}
