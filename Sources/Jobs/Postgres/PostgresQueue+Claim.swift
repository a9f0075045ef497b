import Foundation
import Schema
import Synchronization

/// What is known of the claims made through one queue object.
struct ClaimState {
    /// The largest attempt that each worker was told of.
    var last: [WorkerID: AttemptID] = [:]
    /// Workers whose last claim may have gone through without its reply coming back.
    var uncertain: Set<WorkerID> = []
    /// Whether a queue has a limit of running jobs.
    var withLimits = false
}

extension PostgresQueue {
    package func claim(
        _ worker: WorkerID, filter: ClaimFilter, limit: Int, lease: Duration
    ) async throws -> [Claim] {
        guard limit > 0 else { return [] }
        let news = listener.count
        let taken = try await short { [self] session in
            try claimOrRecover(session, worker, filter, limit: limit, lease: lease)
        }
        if taken.isEmpty { listener.foundNothing(since: news) }
        return taken
    }

    /// A claim whose reply was lost has put jobs into this worker's hands: they are its next claim.
    /// Nobody else would take them back, for the worker lives.
    private func claimOrRecover(
        _ session: PostgresSession, _ worker: WorkerID, _ filter: ClaimFilter, limit: Int,
        lease: Duration
    ) throws -> [Claim] {
        let (isUncertain, last) = claims.withLock {
            ($0.uncertain.contains(worker), $0.last[worker] ?? 0)
        }
        var taken: [Claim] = []
        if isUncertain {
            taken = try session.runPrepared(PostgresClaimQuery.inHand, [worker, last])
                .map(Claim.init(row:))
        }
        if taken.isEmpty {
            _ = claims.withLock { $0.uncertain.insert(worker) }
            do {
                taken = try claimPatiently(session, worker, filter, limit: limit, lease: lease)
            } catch {
                let isLost = (error as? PostgresFailure)?.isLost ?? false
                if !isLost { _ = claims.withLock { $0.uncertain.remove(worker) } }
                throw error
            }
        }
        claims.withLock { state in
            state.uncertain.remove(worker)
            if let newest = taken.last?.attempt { state.last[worker] = newest }
        }
        return taken
    }

    /// Where all jobs of the best kind were locked by others just now, those of the next are tried.
    private func claimPatiently(
        _ session: PostgresSession, _ worker: WorkerID, _ filter: ClaimFilter, limit: Int,
        lease: Duration
    ) throws -> [Claim] {
        let query = PostgresClaimQuery(now: environment.now(), version: version)
        let scope: PostgresSession.Arguments = [filter.queues, filter.modelSHA256]
        let arguments = scope + [worker, limit, lease.milliseconds]
        var triesLeft = 20
        while true {
            let withLimits = claims.withLock { $0.withLimits }
            let rows: [PostgresRow]
            if withLimits {
                try session.script("BEGIN")
                try session.runPrepared(PostgresClaimQuery.lockLimits)
                rows = try session.runPrepared(query.claim(withLimits: true), arguments)
                try session.script("COMMIT")
            } else {
                rows = try session.runPrepared(query.claim(withLimits: false), arguments)
            }
            if !rows.isEmpty { return try rows.map(Claim.init(row:)) }

            let reason = try session.runPrepared(query.reason(withLimits: withLimits), scope).first
            guard let reason else { return [] }
            let found: Int = try reason.value("version")
            guard found == version else {
                throw QueueError(
                    .incompatible,
                    "\(title): schema version \(found) since another program migrated it, this one "
                        + "works on version \(version)")
            }
            let isLimited: Bool = try reason.value("is_limited")
            claims.withLock { $0.withLimits = isLimited }
            triesLeft -= 1
            guard try isLimited != withLimits || reason.value("is_ready"), triesLeft > 0
            else { return [] }
            if isLimited == withLimits { usleep(.random(in: 500...5000)) }
        }
    }

    var version: Int { environment.migrations.last?.version ?? 0 }

    package func waitForWork(upTo limit: Duration) async throws {
        await listener.wait(upTo: limit)
    }
}

extension Claim {
    fileprivate init(row: PostgresRow) throws {
        self.init(
            job: try row.value("job_id"), attempt: try row.value("attempt_id"),
            number: try row.value("attempts_made"), maxAttempts: try row.value("max_attempts"),
            batch: try row.value("batch"), video: try VideoRecord(row: row),
            model: try row.value("model"), modelSHA256: try row.value("model_sha256"),
            optionsJSON: try row.value("options_json"), question: try row.value("question"),
            choices: try row.texts("choices_json"), expected: try row.optional("expected"),
            timeout: .milliseconds(try row.value("timeout_ms") as Int64),
            leaseUntil: Date(milliseconds: try row.value("lease_expires_at_ms")),
            dedupeKey: try row.value("dedupe_key"), customID: try row.optional("custom_id"),
            queue: try row.value("queue"), crashes: try row.value("crashes"))
    }
}
