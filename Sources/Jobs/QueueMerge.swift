import Foundation

/// Takes the jobs and answers of one queue into another that may have jobs already: what the other has,
/// by content, question and settings, is not taken twice.
package struct QueueMerge: Sendable {
    package struct Totals: Sendable, Codable, Equatable {
        package var inserted = 0
        package var reused = 0
        package var answers = 0

        package init() {}
    }

    private let source: any QueueStore
    private let target: any QueueStore

    package init(from source: any QueueStore, into target: any QueueStore) {
        self.source = source
        self.target = target
    }

    /// - Throws: `busy` when jobs are running in the source; what the queues throw
    package func run() async throws -> Totals {
        let reader = MergeReader(source: source, target: target)
        try await source.readAll(chunk: 1000) { try await reader.take($0) }
        return await reader.totals
    }
}

/// Rows to jobs. Tables come in the order of their references, so that what a job refers to is known.
private actor MergeReader {
    private let source: any QueueStore
    private let target: any QueueStore
    private var batches: [Int64: BatchSpec] = [:]
    private var configs: [Int64: ConfigRecord] = [:]
    private var videos: [Int64: VideoRecord] = [:]
    private(set) var totals = QueueMerge.Totals()

    init(source: any QueueStore, target: any QueueStore) {
        self.source = source
        self.target = target
    }

    func take(_ chunk: TransferChunk) async throws {
        let rows = chunk.rows.map { MergeRow(columns: chunk.columns, values: $0) }
        switch chunk.table {
        case "batches":
            for row in rows {
                batches[row.integer("batch_id") ?? 0] = BatchSpec(
                    name: row.text("name") ?? "", source: row.text("source") ?? "-",
                    specJSON: row.text("spec_json") ?? "{}")
            }
        case "configs":
            for row in rows {
                configs[row.integer("config_id") ?? 0] = ConfigRecord(
                    fingerprint: row.text("fingerprint") ?? "", model: row.text("model") ?? "",
                    modelSHA256: row.text("model_sha256") ?? "",
                    optionsJSON: row.text("options_json") ?? "{}")
            }
        case "videos":
            for row in rows { videos[row.integer("video_id") ?? 0] = row.video }
        case "jobs": try await takeJobs(rows)
        default: break
        }
    }

    private func takeJobs(_ rows: [MergeRow]) async throws {
        var answered: [JobID] = []
        for (batch, rows) in Dictionary(grouping: rows, by: { $0.integer("batch_id") ?? 0 })
            .sorted(by: { $0.key < $1.key })
        {
            guard let spec = batches[batch] else { throw wrong("batch \(batch)") }
            var jobs: [NewJob] = []
            for row in rows where row.text("state") != JobState.cancelled.rawValue {
                jobs.append(try job(row))
                if row.text("state") == JobState.succeeded.rawValue {
                    answered.append(row.integer("job_id") ?? 0)
                }
            }
            guard !jobs.isEmpty else { continue }
            let report = try await target.enqueue(spec, jobs)
            totals.inserted += report.inserted.count + report.rejected.count
            totals.reused += report.reused.count
        }
        let keys = Dictionary(
            rows.map { ($0.integer("job_id") ?? 0, $0.text("dedupe_key") ?? "") },
            uniquingKeysWith: { first, _ in first })
        for id in answered {
            guard let answer = try await source.show(id)?.answer, let key = keys[id] else {
                throw wrong("the answer of job \(id)")
            }
            // Ids are the source's own: only the key tells which job it is here.
            let entry = JournalledAnswer(
                job: -1, attempt: -1, dedupeKey: key, answer: answer, writtenAtMS: 0)
            if try await target.readmit(entry) == .stored { totals.answers += 1 }
        }
    }

    private func job(_ row: MergeRow) throws -> NewJob {
        guard let video = videos[row.integer("video_id") ?? 0],
            let config = configs[row.integer("config_id") ?? 0], let question = row.text("question")
        else { throw wrong("job \(row.integer("job_id") ?? 0)") }
        let choices = try row.text("choices_json").map {
            try JSONDecoder().decode([String].self, from: Data($0.utf8))
        }
        var job = NewJob(
            video: video, config: config, question: question, choices: choices,
            expected: row.text("expected"), customID: row.text("custom_id"),
            queue: row.text("queue") ?? "default", priority: Int(row.integer("priority") ?? 0),
            runAt: row.integer("run_at_ms").map { Date(milliseconds: $0) },
            held: row.text("state") == JobState.held.rawValue,
            maxAttempts: Int(row.integer("max_attempts") ?? 3),
            maxCrashes: Int(row.integer("max_crashes") ?? 3),
            timeout: .milliseconds(row.integer("timeout_ms") ?? 3_600_000))
        if row.text("state") == JobState.failed.rawValue {
            job.failure = Failure(
                errorClass: row.text("error_class").flatMap(ErrorClass.init) ?? .internal,
                code: row.text("error_code") ?? "unknown",
                message: row.text("error_message") ?? "", stage: row.text("stage"))
        }
        return job
    }

    private func wrong(_ what: String) -> QueueError {
        QueueError(.corrupt, "\(source.title): \(what) is not there or not whole")
    }
}

/// One row by the names of its columns.
private struct MergeRow {
    var columns: [String]
    var values: [ResultRow.Value]

    private subscript(_ name: String) -> ResultRow.Value? {
        columns.firstIndex(of: name).flatMap { $0 < values.count ? values[$0] : nil }
    }

    func text(_ name: String) -> String? {
        if case .text(let text) = self[name] { text } else { nil }
    }

    func integer(_ name: String) -> Int64? {
        if case .integer(let number) = self[name] { number } else { nil }
    }

    func real(_ name: String) -> Double? {
        switch self[name] {
        case .real(let number): number
        case .integer(let number): Double(number)
        default: nil
        }
    }

    var video: VideoRecord {
        VideoRecord(
            contentID: text("content_id") ?? "", path: text("path") ?? "",
            sizeBytes: integer("size_bytes") ?? 0, mtimeNanoseconds: integer("mtime_ns") ?? 0,
            durationMilliseconds: integer("duration_ms"),
            width: integer("width_px").map { Int($0) },
            height: integer("height_px").map { Int($0) }, framesPerSecond: real("fps"),
            frameCount: integer("frame_count").map { Int($0) }, codec: text("codec"),
            container: text("container"), probeError: text("probe_error"))
    }
}
