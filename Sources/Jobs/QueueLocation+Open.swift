import Foundation

extension QueueLocation {
    /// Opens the queue, making an SQLite file or a database's tables that are missing (not when
    /// `readOnly`).
    package func open(readOnly: Bool = false) throws(QueueError) -> any QueueStore {
        switch self {
        case .sqlite(let path): return try SQLiteQueue(path: path, readOnly: readOnly)
        case .postgres(let url): return try PostgresQueue(url: url, readOnly: readOnly)
        }
    }

    /// The file or URL for messages, without a password.
    package var title: String {
        switch self {
        case .sqlite(let path): return URL(fileURLWithPath: path).path
        case .postgres(let url):
            // A password may stand in several places of a URL.
            return (try? PostgresTarget(url: url))?.title ?? "postgresql://…"
        }
    }

    /// The URL without a password before the host or among the parameters.
    package static func withoutPassword(_ url: String) -> String {
        guard let scheme = url.firstRange(of: "://") else { return url }
        let rest = url[scheme.upperBound...]
        // As libpq reads it: up to the first slash, a question mark may be the password's.
        let end = rest.firstIndex(of: "/") ?? rest.endIndex
        var text = url
        if let at = rest[..<end].lastIndex(of: "@"),
            let colon = rest[..<at].firstIndex(of: ":")
        {
            text = String(url[..<colon]) + url[at...]
        }
        guard let mark = text.firstIndex(of: "?") else { return text }
        let kept = text[text.index(after: mark)...].split(separator: "&")
            .filter { !$0.hasPrefix("password=") }
        return String(text[..<mark])
            + (kept.isEmpty ? "" : "?" + kept.joined(separator: "&"))
    }

    /// Where what belongs to the queue and is no row stands: `<base>.answers`, `<base>.logs`. Beside
    /// an SQLite file; for a server in the user's state folder, under a name made of host and database.
    package var stateFolder: String {
        switch self {
        case .sqlite(let path): return URL(fileURLWithPath: path).path
        case .postgres(let url):
            let environment = ProcessInfo.processInfo.environment
            let home =
                environment["XDG_STATE_HOME"].flatMap { $0.isEmpty ? nil : $0 }
                ?? "\(environment["HOME"] ?? NSHomeDirectory())/.local/state"
            var place = url.firstRange(of: "://").map { url[$0.upperBound...] } ?? url[...]
            if let at = place.lastIndex(of: "@") { place = place[place.index(after: at)...] }
            let name = ContentIdentity.sha256(String(place.prefix { $0 != "?" }))
            return "\(home)/zipvl-batch/\(name.prefix(16))"
        }
    }
    /// Folder of the answers' journals.
    package var answersFolder: String { beside("answers") }
    /// Folder of the attempts' logs.
    package var logsFolder: String { beside("logs") }

    private func beside(_ name: String) -> String {
        switch self {
        case .sqlite: "\(stateFolder).\(name)"
        case .postgres: "\(stateFolder)/\(name)"
        }
    }
}
