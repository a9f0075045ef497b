import Foundation

extension PostgresQueue {
    package func enqueue(_ batch: BatchSpec, _ items: [NewJob]) async throws -> EnqueueReport {
        for item in items { try item.refuseUnstorable() }
        guard ![batch.name, batch.source, batch.specJSON].contains(where: { $0.hasNUL }) else {
            throw QueueError(
                .invalid, "the batch's name or source contains the character U+0000")
        }
        guard !items.isEmpty else {
            return EnqueueReport(inserted: [], reused: [], rejected: [])
        }
        return try await change { session, now in
            try session.lockKeys()
            var insertion = PostgresInsertion(session: session, batch: batch, now: now)
            var start = 0
            while start < items.count {
                let end = PostgresInsertion.end(of: items, from: start)
                try insertion.add(items[start..<end])
                start = end
            }
            if !insertion.report.inserted.isEmpty { try session.wakeWorkers() }
            return insertion.report
        }
    }

    package func knownVideo(
        path: String, sizeBytes: Int64, mtimeNanoseconds: Int64
    ) async throws -> VideoRecord? {
        guard !path.hasNUL else { return nil }
        return try await short { session in
            try session.runPrepared(
                """
                SELECT * FROM videos WHERE path = $1 AND size_bytes = $2::bigint
                    AND mtime_ns = $3::bigint AND content_id NOT LIKE 'bad:%'
                """, [path, sizeBytes, mtimeNanoseconds]
            ).first.map(VideoRecord.init(row:))
        }
    }
}

extension String {
    fileprivate var hasNUL: Bool { utf8.contains(0) }
}

extension NewJob {
    /// What PostgreSQL's texts would refuse, in words that name the job.
    fileprivate func refuseUnstorable() throws(QueueError) {
        try validate()
        let texts = [
            video.contentID, video.codec, video.container, config.fingerprint, config.modelSHA256,
        ]
        guard !texts.contains(where: { $0?.hasNUL == true }) else {
            throw QueueError(
                .invalid, "\(video.path): a text of this job contains the character U+0000")
        }
    }
}
