import GRDB

extension Answer {
    /// A question mark for each column, after others.
    static let marks = String(repeating: ", ?", count: columnTypes.count)

    /// In the order of `columnTypes`.
    var sqliteArguments: StatementArguments { StatementArguments(columns.map { $0 }) }

    /// Into `answers`, as the one answer of `job`.
    func insert(_ db: Database, job: JobID, attempt: AttemptID, now: Int64) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO answers (job_id, attempt_id, recorded_at_ms, \(Self.columnNames))
                VALUES (?, ?, ?\(Self.marks))
                """
        ).execute(arguments: [job, attempt, now] + sqliteArguments)
    }
}
