extension MemoryQueue {
    package func queues() async throws -> [QueueRow] {
        read { tables, _ in
            tables.queues.sorted { $0.key < $1.key }.map { name, row in
                func count(_ state: JobState) -> Int {
                    tables.jobs.values.count { $0.item.queue == name && $0.state == state }
                }
                return QueueRow(
                    queue: name, isPaused: row.pausedAt != nil, queued: count(.queued),
                    running: count(.running))
            }
        }
    }

    package func workers() async throws -> [WorkerRow] {
        read { tables, _ in
            let living = tables.workers.values.filter { $0.stop == nil }
            return living.sorted { $0.id < $1.id }.map { worker in
                let held = tables.jobs.values.compactMap(\.holder).compactMap {
                    tables.attempts[$0]
                }
                .filter { $0.worker == worker.id }
                .sorted { ($0.begunAt ?? .max, $0.id) < ($1.begunAt ?? .max, $1.id) }
                return WorkerRow(
                    workerID: worker.id, name: worker.name, host: worker.info.host,
                    device: worker.info.device, version: worker.info.version,
                    pid: worker.info.pid, startedAt: MemoryTime.text(worker.startedAt),
                    lastSeenAt: MemoryTime.text(worker.lastSeenAt), jobs: held.map(\.job))
            }
        }
    }

    package func status(batch: String?) async throws -> [BatchStatus] {
        read { tables, now in
            var names: [String] = []
            for (_, row) in tables.batches.sorted(by: { $0.key < $1.key })
            where !names.contains(row.spec.name) && (batch == nil || batch == row.spec.name) {
                names.append(row.spec.name)
            }
            return names.map { name in
                let jobs = tables.jobs.values.filter { tables.batches[$0.batch]?.spec.name == name }
                func count(_ state: JobState, _ also: (MemoryJob) -> Bool = { _ in true }) -> Int {
                    jobs.count { $0.state == state && also($0) }
                }
                return BatchStatus(
                    batch: name, held: count(.held),
                    ready: count(.queued) { $0.attemptsMade == 0 && $0.runAt <= now },
                    scheduled: count(.queued) { $0.attemptsMade == 0 && $0.runAt > now },
                    retrying: count(.queued) { $0.attemptsMade > 0 },
                    running: count(.running) { $0.leaseUntil.map { $0 >= now } == true },
                    orphaned: count(.running) { $0.leaseUntil.map { $0 < now } == true },
                    succeeded: count(.succeeded), failed: count(.failed),
                    cancelled: count(.cancelled))
            }
        }
    }

    package func list(_ selection: JobSelection, limit: Int) async throws -> [JobRow] {
        read { tables, _ in tables.selected(selection).prefix(max(limit, 0)).map(tables.line) }
    }

    package func show(_ job: JobID) async throws -> JobDetail? {
        read { tables, _ in
            guard let job = tables.jobs[job], let config = tables.configs[job.config],
                let video = tables.videos[job.video]
            else { return nil }
            return JobDetail(
                job: tables.line(job), expected: job.item.expected, choices: job.item.choices,
                model: config.model, optionsJSON: config.optionsJSON, video: video.columns,
                attempts: tables.attempts(of: job.id).map(tables.line),
                answer: tables.answers[job.id]?.answer)
        }
    }

    package func attempts(_ selection: JobSelection) async throws -> [AttemptRow] {
        read { tables, _ in
            tables.selected(selection).flatMap { tables.attempts(of: $0.id) }
                .sorted { $0.id < $1.id }.map(tables.line)
        }
    }

    package func videos(_ selection: JobSelection) async throws -> [JobID: VideoRecord] {
        read { tables, _ in
            tables.selected(selection).reduce(into: [:]) { videos, job in
                videos[job.id] = tables.videos[job.video]
            }
        }
    }
}

extension MemoryTables {
    fileprivate func line(_ job: MemoryJob) -> JobRow {
        JobRow(
            jobID: job.id, batch: batches[job.batch]?.spec.name ?? "", state: job.state,
            video: videos[job.video]?.path ?? "", question: job.item.question,
            priority: job.priority, attemptsMade: job.attemptsMade,
            errorClass: job.failure?.errorClass, errorCode: job.failure?.code,
            errorMessage: job.failure?.message, customID: job.item.customID,
            progress: job.progress, stage: job.stage)
    }

    fileprivate func line(_ attempt: MemoryAttempt) -> AttemptRow {
        AttemptRow(
            attemptID: attempt.id, number: attempt.number,
            worker: workers[attempt.worker]?.name ?? "",
            startedAt: MemoryTime.text(attempt.startedAt),
            endedAt: attempt.endedAt.map(MemoryTime.text), outcome: attempt.outcome,
            errorClass: attempt.errorClass, errorCode: attempt.errorCode,
            errorMessage: attempt.errorMessage, stage: attempt.stage,
            begunAt: attempt.begunAt.map(MemoryTime.text), logPath: attempt.logPath,
            jobID: attempt.job, device: workers[attempt.worker]?.info.device)
    }
}
