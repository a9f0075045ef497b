import GRDB

extension EvaluationItem {
    func insert(_ db: Database, _ evaluation: EvaluationID, _ index: Int) throws {
        try db.execute(
            sql: """
                INSERT INTO evaluation_items (evaluation_id, item, custom_id, video, question,
                    choices_json, expected, group_name) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                evaluation, index, customID, video, question, choices.map(JSONText.encode),
                expected, group,
            ])
    }
}

extension EvaluationAnswer {
    func insert(_ db: Database, now: Int64) throws {
        try db.execute(
            sql:
                "DELETE FROM evaluation_answers WHERE method_id = ? AND item = ? AND answer IS NULL",
            arguments: [method, item])
        switch outcome {
        case .success(let answer): try insert(answer, db, now)
        case .failure(let failure): try insert(failure, db, now)
        }
    }

    private func insert(_ answer: Answer, _ db: Database, _ now: Int64) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO evaluation_answers (method_id, item, recorded_at_ms, \(Answer.columnNames))
                VALUES (?, ?, ?\(Answer.marks)) ON CONFLICT (method_id, item) DO NOTHING
                """
        ).execute(arguments: [method, item, now] + answer.sqliteArguments)
    }

    private func insert(_ failure: Failure, _ db: Database, _ now: Int64) throws {
        try db.execute(
            sql: """
                INSERT INTO evaluation_answers (method_id, item, error_class, error_code,
                    error_message, stage, recorded_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (method_id, item) DO NOTHING
                """,
            arguments: [
                method, item, failure.errorClass.rawValue, failure.code, failure.message,
                failure.stage, now,
            ])
    }
}
