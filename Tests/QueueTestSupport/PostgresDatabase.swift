import CPostgres
import Foundation

/// A database of a test's own, gone with this value.
package final class PostgresDatabase: Sendable {
    package let server: PostgresServer
    package let name: String
    package var url: String { server.url(database: name) }

    package init(on server: PostgresServer? = nil) throws {
        let server = try server ?? PostgresServer.shared.get()
        self.server = server
        let suffix = (0..<12).map { _ in String(Int.random(in: 0..<16), radix: 16) }.joined()
        name = "zipvl_test_\(suffix)"
        _ = try Self.run(
            "CREATE DATABASE \(name) TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'",
            at: server.url)
    }

    deinit {
        _ = try? Self.run("DROP DATABASE IF EXISTS \(name) WITH (FORCE)", at: server.url)
    }

    /// Runs SQL, in the schema of the queue; rows of the last statement as texts.
    @discardableResult
    package func execute(_ sql: String) throws -> [[String?]] {
        try Self.run("SET search_path = zipvl; " + sql, at: url)
    }

    /// The first value of the first row.
    package func value(_ sql: String) throws -> String? { try execute(sql).first?.first ?? nil }

    private static func run(_ sql: String, at url: String) throws -> [[String?]] {
        let connection = PQconnectdb(url)
        defer { PQfinish(connection) }
        guard PQstatus(connection) == CONNECTION_OK else {
            throw PostgresServer.Missing(description: message(connection))
        }
        let result = PQexec(connection, sql)
        defer { PQclear(result) }
        let status = PQresultStatus(result)
        guard status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK else {
            throw PostgresServer.Missing(description: "\(message(connection)) in: \(sql)")
        }
        return (0..<PQntuples(result)).map { row in
            (0..<PQnfields(result)).map { column in
                PQgetisnull(result, row, column) != 0
                    ? nil : PQgetvalue(result, row, column).map { String(cString: $0) }
            }
        }
    }

    private static func message(_ connection: OpaquePointer?) -> String {
        PQerrorMessage(connection).map { String(cString: $0) } ?? "out of memory"
    }
}
