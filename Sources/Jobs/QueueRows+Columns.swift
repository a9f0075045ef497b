extension VideoRecord {
    /// From the columns of `videos`.
    init(row: some ColumnReader) throws {
        self.init(
            contentID: try row.value("content_id"), path: try row.value("path"),
            sizeBytes: try row.value("size_bytes"), mtimeNanoseconds: try row.value("mtime_ns"),
            durationMilliseconds: try row.optional("duration_ms"),
            width: try row.optional("width_px"), height: try row.optional("height_px"),
            framesPerSecond: try row.optional("fps"),
            frameCount: try row.optional("frame_count"), codec: try row.optional("codec"),
            container: try row.optional("container"),
            probeError: try row.optional("probe_error"))
    }

    /// What is known of the video, by column name.
    var columns: [String: String] {
        let values: [String: String?] = [
            "content_id": contentID, "path": path, "size_bytes": "\(sizeBytes)",
            "mtime_ns": "\(mtimeNanoseconds)", "duration_ms": durationMilliseconds.map { "\($0)" },
            "width_px": width.map { "\($0)" }, "height_px": height.map { "\($0)" },
            "fps": framesPerSecond.map { "\($0)" }, "frame_count": frameCount.map { "\($0)" },
            "codec": codec, "container": container, "probe_error": probeError,
        ]
        return values.compactMapValues { $0 }
    }
}

extension JobRow {
    /// From the columns of `jobs`, with `batch` and `video`.
    init(row: some ColumnReader) throws {
        self.init(
            jobID: try row.value("job_id"), batch: try row.value("batch"),
            state: try row.state(), video: try row.value("video"),
            question: try row.value("question"), priority: try row.value("priority"),
            attemptsMade: try row.value("attempts_made"), errorClass: try row.errorClass(),
            errorCode: try row.optional("error_code"),
            errorMessage: try row.optional("error_message"),
            customID: try row.optional("custom_id"), progress: try row.optional("progress"),
            stage: try row.optional("stage"))
    }
}

extension AttemptRow {
    /// From the columns of `attempts`, with `worker`, `device` and its times as texts.
    init(row: some ColumnReader) throws {
        self.init(
            attemptID: try row.value("attempt_id"), number: try row.value("number"),
            worker: try row.value("worker"), startedAt: try row.value("started"),
            endedAt: try row.optional("ended"), outcome: try row.optional("outcome"),
            errorClass: try row.errorClass(), errorCode: try row.optional("error_code"),
            errorMessage: try row.optional("error_message"), stage: try row.optional("stage"),
            begunAt: try row.optional("begun"), logPath: try row.optional("log_path"),
            jobID: try row.value("job_id"), device: try row.optional("device"))
    }
}

extension BatchStatus {
    /// From `batch` and a count for each state.
    init(row: some ColumnReader) throws {
        self.init(
            batch: try row.value("batch"), held: try row.value("held"),
            ready: try row.value("ready"), scheduled: try row.value("scheduled"),
            retrying: try row.value("retrying"), running: try row.value("running"),
            orphaned: try row.value("orphaned"), succeeded: try row.value("succeeded"),
            failed: try row.value("failed"), cancelled: try row.value("cancelled"))
    }
}

extension EvaluationItem {
    /// From the columns of `evaluation_items`.
    init(row: some ColumnReader) throws {
        self.init(
            video: try row.value("video"), question: try row.value("question"),
            choices: try row.texts("choices_json"), expected: try row.value("expected"),
            group: try row.optional("group_name"), customID: try row.optional("custom_id"))
    }
}

extension EvaluationAnswer {
    /// From the columns of `evaluation_answers`.
    init(row: some ColumnReader) throws {
        self.init(
            method: try row.value("method_id"), item: try row.value("item"),
            outcome: try Self.outcome(row))
    }

    private static func outcome(_ row: some ColumnReader) throws -> Result<Answer, Failure> {
        guard try row.isSet("answer") else {
            return .failure(
                Failure(
                    errorClass: try row.errorClass() ?? .internal,
                    code: try row.optional("error_code") ?? "",
                    message: try row.optional("error_message") ?? "",
                    stage: try row.optional("stage")))
        }
        return .success(try Answer(row: row))
    }
}
