extension MemoryQueue {
    package func enqueue(_ batch: BatchSpec, _ items: [NewJob]) async throws -> EnqueueReport {
        for item in items { try item.validate() }
        guard ![batch.name, batch.source, batch.specJSON].contains(where: { $0.utf8.contains(0) })
        else {
            throw QueueError(.invalid, "the batch's name or source contains the character U+0000")
        }
        return try write { tables, now in
            var report = EnqueueReport(inserted: [], reused: [], rejected: [])
            var batchID: Int64?
            var known = Dictionary(
                tables.jobs.values.filter { $0.state != .cancelled }.map { ($0.dedupeKey, $0.id) },
                uniquingKeysWith: { first, _ in first })
            for item in items {
                let key = ContentIdentity.dedupeKey(
                    contentID: item.video.contentID, question: item.question,
                    choices: item.choices, configFingerprint: item.config.fingerprint)
                let video = tables.row(of: item.video)
                if let old = known[key].flatMap({ tables.jobs[$0] }) {
                    report.reused.append(
                        .init(
                            path: item.video.path, question: item.question, job: old.id,
                            state: old.state))
                    continue
                }
                let batch = batchID ?? tables.add(batch, now)
                batchID = batch
                let job = MemoryJob(
                    item, id: tables.newID(), batch: batch, video: video,
                    config: tables.row(of: item.config), key: key, now: now)
                tables.queues[item.queue] = tables.queues[item.queue] ?? MemoryQueueRow()
                tables.jobs[job.id] = job
                known[key] = job.id
                if item.failure == nil {
                    report.inserted.append(job.id)
                } else {
                    report.rejected.append(job.id)
                }
            }
            return report
        }
    }

    package func knownVideo(
        path: String, sizeBytes: Int64, mtimeNanoseconds: Int64
    ) async throws -> VideoRecord? {
        read { tables, _ in
            tables.videos.sorted { $0.key < $1.key }.map(\.value).first {
                $0.path == path && $0.sizeBytes == sizeBytes
                    && $0.mtimeNanoseconds == mtimeNanoseconds && !$0.contentID.hasPrefix("bad:")
            }
        }
    }
}

extension MemoryJob {
    fileprivate init(
        _ item: NewJob, id: JobID, batch: Int64, video: Int64, config: Int64, key: String,
        now: Int64
    ) {
        self.init(
            id: id, batch: batch, video: video, config: config, item: item, dedupeKey: key,
            priority: item.priority,
            phase: item.failure != nil ? .failed : item.held ? .held : .queued,
            runAt: item.runAt?.milliseconds ?? now, stage: item.failure?.storable.stage,
            failure: item.failure?.storable, createdAt: now,
            finishedAt: item.failure == nil ? nil : now)
    }
}

extension MemoryTables {
    fileprivate mutating func add(_ batch: BatchSpec, _ now: Int64) -> Int64 {
        let id = newID()
        batches[id] = MemoryBatch(spec: batch, createdAt: now)
        return id
    }

    /// Of the same content there is one row: last seen where `video` says, and with all that was ever
    /// found out.
    fileprivate mutating func row(of video: VideoRecord) -> Int64 {
        var video = video
        video.codec = video.codec?.withoutNUL
        video.container = video.container?.withoutNUL
        video.probeError = video.probeError?.withoutNUL
        guard let (id, old) = videos.first(where: { $0.value.contentID == video.contentID }) else {
            let id = newID()
            videos[id] = video
            return id
        }
        video.durationMilliseconds = video.durationMilliseconds ?? old.durationMilliseconds
        video.width = video.width ?? old.width
        video.height = video.height ?? old.height
        video.framesPerSecond = video.framesPerSecond ?? old.framesPerSecond
        video.frameCount = video.frameCount ?? old.frameCount
        video.codec = video.codec ?? old.codec
        video.container = video.container ?? old.container
        videos[id] = video
        return id
    }

    /// A fingerprint covers all that can change an answer; where the model lies may change.
    fileprivate mutating func row(of config: ConfigRecord) -> Int64 {
        if let id = configs.first(where: { $0.value.fingerprint == config.fingerprint })?.key {
            configs[id]?.model = config.model
            return id
        }
        let id = newID()
        configs[id] = config
        return id
    }
}
