import Glibc

extension PostgresQueue: QueueBackend {
    /// Marks workers of this host that died between two jobs; dead rows are the server's own care.
    package func maintain() async throws {
        guard !isReadOnly else { return }
        let dead = try await short { [self] session in
            try session.runPrepared(
                """
                SELECT w.* FROM workers w WHERE w.stopped_at_ms IS NULL AND NOT EXISTS (
                    SELECT FROM jobs j JOIN attempts t ON t.attempt_id = j.attempt_id
                    WHERE j.state = 'running' AND t.worker_id = w.worker_id)
                """
            ).map(KnownWorker.init(row:)).filter { isAlive($0) == false }
        }
        guard !dead.isEmpty else { return }
        try await work.transaction(within: environment.callLimit) { [environment] session in
            let now = try session.now(environment)
            for worker in dead { try session.bury(worker.id, now) }
        }
        for worker in dead { if let path = worker.lockPath { unlink(path) } }
    }

    package func check() async throws -> [Finding] {
        let hostNow = ContinuousClock.now
        return try await people.perform(within: environment.callLimit) { [self] session in
            let facts = try session.run(Self.facts).first
            guard let facts else { return [] }
            func finding(
                _ isGood: Bool, _ subject: String, _ detail: String, bad: Finding.Level = .error
            ) -> Finding {
                Finding(level: isGood ? .ok : bad, subject: subject, detail: detail)
            }
            let number: String = try facts.value("server")
            let fsync: String = try facts.value("fsync")
            let pages: String = try facts.value("pages")
            let synchronous: String = try facts.value("synchronous")
            let vacuum: String = try facts.value("autovacuum")
            let found: Int = try facts.value("version")
            let invalid: Int = try facts.value("invalid_indexes")
            let answers: Int = try facts.value("lone_answers")
            let checksums: String = try facts.value("checksums")
            let dead: Int = try facts.value("dead_rows")
            let living: Int = try facts.value("living_rows")
            let took = hostNow.duration(to: .now)
            return [
                finding(true, "postgresql", "PostgreSQL \(number), answered in \(took)"),
                finding(
                    fsync == "on" && pages == "on", "durability",
                    "fsync \(fsync), full_page_writes \(pages), expected on"),
                finding(
                    synchronous == "on", "commits", "synchronous_commit \(synchronous), expected on"
                ),
                finding(
                    found == version, "schema", "schema version \(found), expected \(version)"),
                finding(
                    invalid == 0, "integrity",
                    "\(invalid) invalid indexes; page checksums \(checksums)"),
                finding(
                    answers == 0, "references",
                    "\(answers) jobs and answers that do not belong together"),
                finding(
                    vacuum == "on" && (dead < 10_000 || dead < living), "dead rows",
                    "autovacuum \(vacuum), \(dead) dead rows beside \(living) living ones of jobs",
                    bad: .warning),
            ]
        }
    }

    private static let facts = """
        SELECT current_setting('server_version') AS server, current_setting('fsync') AS fsync,
            current_setting('full_page_writes') AS pages,
            current_setting('synchronous_commit') AS synchronous,
            current_setting('autovacuum') AS autovacuum,
            current_setting('data_checksums') AS checksums,
            (SELECT version FROM meta) AS version,
            (SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
             WHERE c.relnamespace = 'zipvl'::regnamespace AND NOT i.indisvalid) AS invalid_indexes,
            (SELECT count(*) FROM jobs j WHERE (state = 'succeeded') <> EXISTS (
                SELECT FROM answers a WHERE a.job_id = j.job_id)) AS lone_answers,
            coalesce((SELECT n_dead_tup FROM pg_stat_user_tables
             WHERE relid = 'zipvl.jobs'::regclass), 0) AS dead_rows,
            coalesce((SELECT n_live_tup FROM pg_stat_user_tables
             WHERE relid = 'zipvl.jobs'::regclass), 0) AS living_rows
        """
}
