/// What went wrong between here and the server, before anybody decided what to do about it.
struct PostgresFailure: Error {
    /// The server's five-character code; `nil` when it was not the server that spoke.
    var state: String?
    var message: String
    /// Nothing more comes over this connection, and what became of the statement is not known.
    var isLost = false

    /// Somebody else's transaction was in the way; the same again may well pass.
    var isTransient: Bool { state == "40P01" || state == "40001" }

    /// Statements prepared by this connection no longer fit: the schema changed under them.
    var isStalePlan: Bool { state == "26000" || state == "0A000" }

    var kind: QueueError.Kind {
        guard let state else { return .unavailable }
        switch state {
        case "53100": return .full
        case "55P03", "57014", "40P01", "40001": return .busy
        case "XX001", "XX002": return .corrupt
        case "42P01", "3F000", "42703", "42883", "42501", "0A000": return .incompatible
        default: break
        }
        switch state.prefix(2) {
        case "22", "23", "42", "54": return .invalid
        default: return .unavailable
        }
    }

    func queueError(_ target: PostgresTarget) -> QueueError {
        let code = state.map { " (SQLSTATE \($0))" } ?? ""
        return QueueError(kind, "\(target.title): \(target.redacted(message))\(code)")
    }
}
