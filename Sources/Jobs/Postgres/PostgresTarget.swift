import CPostgres
import Foundation

/// A connection URL and what of it may be said aloud.
struct PostgresTarget: Sendable {
    let url: String
    /// `postgresql://user@host:port/database`.
    let title: String
    let database: String
    private let secrets: [String]

    /// - Throws: `invalid` when libpq cannot parse the URL. Its reason is not passed on: it may quote the
    ///   password.
    init(url: String) throws(QueueError) {
        guard let options = PQconninfoParse(url, nil) else {
            throw QueueError(
                .invalid,
                "the queue's URL cannot be read; expected postgresql://USER@HOST:PORT/DATABASE with "
                    + "special characters as %XX")
        }
        defer { PQconninfoFree(options) }
        var values: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val {
                values[String(cString: keyword)] = String(cString: value)
            }
            option += 1
        }
        let environment = ProcessInfo.processInfo.environment
        func value(_ keyword: String, _ variable: String) -> String? {
            values[keyword] ?? environment[variable]
        }
        let user = value("user", "PGUSER")
        let host = value("host", "PGHOST") ?? value("hostaddr", "PGHOSTADDR")
        let port = value("port", "PGPORT")
        database = value("dbname", "PGDATABASE") ?? user ?? NSUserName()
        title =
            "postgresql://" + (user.map { $0 + "@" } ?? "") + (host ?? "")
            + (port.map { ":" + $0 } ?? "") + "/" + database
        self.url = url
        secrets = ["password", "sslpassword"].compactMap { values[$0] }.filter { !$0.isEmpty }
    }

    /// libpq's and the server's words without the password.
    func redacted(_ text: String) -> String {
        secrets.reduce(text) { $0.replacing($1, with: "***") }
            .split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    /// Settings of a connection in libpq's form. The URL comes last, so that what it says wins.
    ///
    /// Without the time-outs a client whose link is cut waits for a quarter of an hour.
    func parameters(role: String) -> (keywords: [String], values: [String]) {
        let parameters = [
            ("connect_timeout", "10"), ("keepalives", "1"), ("keepalives_idle", "15"),
            ("keepalives_interval", "5"), ("keepalives_count", "3"), ("tcp_user_timeout", "15000"),
            ("application_name", "zipvl-batch \(role)"), ("client_encoding", "UTF8"),
            ("dbname", url),
        ]
        return (parameters.map(\.0), parameters.map(\.1))
    }
}
