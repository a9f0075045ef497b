import Foundation
import GRDB

extension SQLiteQueue: EvaluationStore {
    package func openEvaluation(
        _ spec: EvaluationSpec, _ items: [EvaluationItem], _ methods: [EvaluationMethod],
        fresh: Bool
    ) async throws -> OpenEvaluation {
        try await write { db, now in
            if fresh { try Self.forget(db, spec) }
            let id = try Self.findOrMake(db, spec, items, now)
            let ids = try methods.map { try Self.findOrMake(db, $0, of: id) }
            return OpenEvaluation(
                id: id, methods: ids, answered: try ids.map { try Self.answeredItems(db, $0) })
        }
    }

    package func recordEvaluation(_ answers: [EvaluationAnswer]) async throws {
        try await write { db, now in
            for answer in answers { try answer.insert(db, now: now) }
        }
    }

    package func evaluationAnswers(
        _ methods: [EvaluationMethodID]
    ) async throws -> [EvaluationAnswer] {
        try await read { db in
            try methods.flatMap { method in
                try Row.fetchAll(
                    db, sql: "SELECT * FROM evaluation_answers WHERE method_id = ? ORDER BY item",
                    arguments: [method]
                ).map(EvaluationAnswer.init(row:))
            }
        }
    }

    private static func forget(_ db: Database, _ spec: EvaluationSpec) throws {
        try db.execute(
            sql: """
                DELETE FROM evaluations
                WHERE manifest_sha256 = ? AND model_sha256 = ? AND name = ?
                """, arguments: [spec.manifestSHA256, spec.modelSHA256, spec.name])
    }

    private static func findOrMake(
        _ db: Database, _ spec: EvaluationSpec, _ items: [EvaluationItem], _ now: Int64
    ) throws -> EvaluationID {
        let known = try EvaluationID.fetchOne(
            db,
            sql: """
                UPDATE evaluations SET manifest = ?, model = ?
                WHERE manifest_sha256 = ? AND model_sha256 = ? AND name = ?
                RETURNING evaluation_id
                """,
            arguments: [
                spec.manifest, spec.model, spec.manifestSHA256, spec.modelSHA256, spec.name,
            ])
        if let known {
            let stored = try Row.fetchAll(
                db, sql: "SELECT * FROM evaluation_items WHERE evaluation_id = ? ORDER BY item",
                arguments: [known]
            ).map(EvaluationItem.init(row:))
            try spec.refuse(items, otherThan: stored)
            // The videos may have moved since.
            for (index, item) in items.enumerated() {
                try db.execute(
                    sql: """
                        UPDATE evaluation_items SET video = ?1
                        WHERE evaluation_id = ?2 AND item = ?3 AND video <> ?1
                        """, arguments: [item.video, known, index])
            }
            return known
        }
        try db.execute(
            sql: """
                INSERT INTO evaluations (name, manifest, manifest_sha256, format, model,
                    model_sha256, created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                spec.name, spec.manifest, spec.manifestSHA256, spec.format, spec.model,
                spec.modelSHA256, now,
            ])
        let id = db.lastInsertedRowID
        for (index, item) in items.enumerated() { try item.insert(db, id, index) }
        return id
    }

    private static func findOrMake(
        _ db: Database, _ method: EvaluationMethod, of id: EvaluationID
    ) throws -> EvaluationMethodID {
        let stored = try EvaluationMethodID.fetchOne(
            db,
            sql: """
                INSERT INTO evaluation_methods (evaluation_id, label, frames, options_json)
                VALUES (?, ?, ?, ?)
                ON CONFLICT (evaluation_id, options_json) DO UPDATE SET label = excluded.label
                RETURNING method_id
                """, arguments: [id, method.label, method.frames, method.optionsJSON])
        guard let stored else {
            throw QueueError(.unavailable, "the method \(method.label) was not stored")
        }
        return stored
    }

    private static func answeredItems(
        _ db: Database, _ method: EvaluationMethodID
    ) throws -> Set<Int> {
        try Int.fetchSet(
            db,
            sql: """
                SELECT item FROM evaluation_answers
                WHERE method_id = ? AND answer IS NOT NULL
                """, arguments: [method])
    }
}
