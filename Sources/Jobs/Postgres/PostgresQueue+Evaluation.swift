extension PostgresQueue: EvaluationStore {
    package func openEvaluation(
        _ spec: EvaluationSpec, _ items: [EvaluationItem], _ methods: [EvaluationMethod],
        fresh: Bool
    ) async throws -> OpenEvaluation {
        try await change { session, now in
            try session.lockKeys()
            if fresh { try Self.forget(session, spec) }
            let id = try Self.findOrMake(session, spec, items, now)
            let ids = try methods.map { try Self.findOrMake(session, $0, of: id) }
            return OpenEvaluation(
                id: id, methods: ids, answered: try ids.map { try Self.answeredItems(session, $0) })
        }
    }

    package func recordEvaluation(_ answers: [EvaluationAnswer]) async throws {
        try await change { session, now in
            for answer in answers { try answer.insert(session, now: now) }
        }
    }

    package func evaluationAnswers(
        _ methods: [EvaluationMethodID]
    ) async throws -> [EvaluationAnswer] {
        try await read { session in
            try methods.flatMap { method in
                try session.run(
                    "SELECT * FROM evaluation_answers WHERE method_id = $1::bigint ORDER BY item",
                    [method]
                ).map(EvaluationAnswer.init(row:))
            }
        }
    }

    private static func forget(_ session: PostgresSession, _ spec: EvaluationSpec) throws {
        try session.run(
            """
            DELETE FROM evaluations WHERE manifest_sha256 = $1 AND model_sha256 = $2 AND name = $3
            """, [spec.manifestSHA256, spec.modelSHA256, spec.name])
    }

    private static func findOrMake(
        _ session: PostgresSession, _ spec: EvaluationSpec, _ items: [EvaluationItem], _ now: Int64
    ) throws -> EvaluationID {
        let known = try session.run(
            """
            UPDATE evaluations SET manifest = $1, model = $2
            WHERE manifest_sha256 = $3 AND model_sha256 = $4 AND name = $5 RETURNING evaluation_id
            """, [spec.manifest, spec.model, spec.manifestSHA256, spec.modelSHA256, spec.name]
        ).first
        if let known {
            let id: EvaluationID = try known.value("evaluation_id")
            let stored = try session.run(
                "SELECT * FROM evaluation_items WHERE evaluation_id = $1::bigint ORDER BY item",
                [id]
            ).map(EvaluationItem.init(row:))
            try spec.refuse(items, otherThan: stored)
            for (index, item) in items.enumerated() {
                try session.runPrepared(
                    """
                    UPDATE evaluation_items SET video = $1
                    WHERE evaluation_id = $2::bigint AND item = $3::bigint AND video <> $1
                    """, [item.video, id, index])
            }
            return id
        }
        let row = try session.run(
            """
            INSERT INTO evaluations (name, manifest, manifest_sha256, format, model, model_sha256,
                created_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7::bigint) RETURNING evaluation_id
            """,
            [
                spec.name, spec.manifest, spec.manifestSHA256, spec.format, spec.model,
                spec.modelSHA256, now,
            ]
        ).first
        guard let id: EvaluationID = try row?.value("evaluation_id") else {
            throw QueueError(.unavailable, "the evaluation \(spec.name) was not stored")
        }
        for (index, item) in items.enumerated() { try item.insert(session, id, index) }
        return id
    }

    private static func findOrMake(
        _ session: PostgresSession, _ method: EvaluationMethod, of id: EvaluationID
    ) throws -> EvaluationMethodID {
        let row = try session.run(
            """
            INSERT INTO evaluation_methods (evaluation_id, label, frames, options_json)
            VALUES ($1::bigint, $2, $3::bigint, $4)
            ON CONFLICT (evaluation_id, md5(options_json)) DO UPDATE SET label = excluded.label
            RETURNING method_id
            """, [id, method.label, method.frames, method.optionsJSON]
        ).first
        guard let stored: EvaluationMethodID = try row?.value("method_id") else {
            throw QueueError(.unavailable, "the method \(method.label) was not stored")
        }
        return stored
    }

    private static func answeredItems(
        _ session: PostgresSession, _ method: EvaluationMethodID
    ) throws -> Set<Int> {
        Set(
            try session.run(
                """
                SELECT item FROM evaluation_answers
                WHERE method_id = $1::bigint AND answer IS NOT NULL
                """, [method]
            ).map { try $0.value("item") })
    }
}

extension EvaluationItem {
    fileprivate func insert(
        _ session: PostgresSession, _ evaluation: EvaluationID, _ index: Int
    ) throws {
        try session.runPrepared(
            """
            INSERT INTO evaluation_items (evaluation_id, item, custom_id, video, question,
                choices_json, expected, group_name)
            VALUES ($1::bigint, $2::bigint, $3, $4, $5, $6, $7, $8)
            """,
            [
                evaluation, index, customID, video, question, choices.map(JSONText.encode),
                expected, group,
            ])
    }
}

extension EvaluationAnswer {
    fileprivate func insert(_ session: PostgresSession, now: Int64) throws {
        try session.runPrepared(
            """
            DELETE FROM evaluation_answers
            WHERE method_id = $1::bigint AND item = $2::bigint AND answer IS NULL
            """, [method, item])
        switch outcome {
        case .success(let answer):
            try session.runPrepared(
                """
                INSERT INTO evaluation_answers (method_id, item, recorded_at_ms,
                    \(Answer.columnNames))
                VALUES ($1::bigint, $2::bigint, $3::bigint, \(Answer.postgresValues(from: 4)))
                ON CONFLICT (method_id, item) DO NOTHING
                """, [method, item, now] + answer.postgresArguments)
        case .failure(let failure):
            try session.runPrepared(
                """
                INSERT INTO evaluation_answers (method_id, item, error_class, error_code,
                    error_message, stage, recorded_at_ms)
                VALUES ($1::bigint, $2::bigint, $3, $4, $5, $6, $7::bigint)
                ON CONFLICT (method_id, item) DO NOTHING
                """,
                [
                    method, item, failure.errorClass.rawValue, failure.code.withoutNUL,
                    failure.message.withoutNUL, failure.stage?.withoutNUL, now,
                ])
        }
    }
}
