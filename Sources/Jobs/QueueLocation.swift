/// A whole queue: jobs, evaluations, transfer.
package typealias QueueStore = EvaluationStore & QueueBackend & TransferableQueue

/// Where a queue is: a path, `sqlite://PATH` or `postgresql://…`.
package enum QueueLocation: Sendable, Equatable {
    case sqlite(path: String)
    case postgres(url: String)

    /// - Throws: `invalid` for another scheme
    package init(_ text: String) throws(QueueError) {
        if text.hasPrefix("postgresql://") || text.hasPrefix("postgres://") {
            self = .postgres(url: text)
        } else if text.hasPrefix("sqlite://") {
            self = .sqlite(path: String(text.dropFirst("sqlite://".count)))
        } else if let end = text.firstRange(of: "://") {
            throw QueueError(
                .invalid,
                "--queue \(text[..<end.lowerBound])://…: expected a path, sqlite://PATH or "
                    + "postgresql://USER@HOST/DATABASE")
        } else {
            self = .sqlite(path: text)
        }
    }
}
