/// Attempts and videos of many jobs, for back ends without a query of their own.
extension QueueBackend {
    /// Asks for job after job; a back end that has a query for it is quicker, and knows devices.
    package func attempts(_ selection: JobSelection) async throws -> [AttemptRow] {
        var attempts: [AttemptRow] = []
        for job in try await list(selection, limit: .max) {
            for var attempt in try await show(job.jobID)?.attempts ?? [] {
                attempt.jobID = job.jobID
                attempts.append(attempt)
            }
        }
        return attempts.sorted { $0.attemptID < $1.attemptID }
    }

    /// Asks for job after job; content, path, size and time only.
    package func videos(_ selection: JobSelection) async throws -> [JobID: VideoRecord] {
        var videos: [JobID: VideoRecord] = [:]
        for job in try await list(selection, limit: .max) {
            guard let columns = try await show(job.jobID)?.video,
                let content = columns["content_id"]
            else { continue }
            videos[job.jobID] = VideoRecord(
                contentID: content, path: columns["path"] ?? job.video,
                sizeBytes: columns["size_bytes"].flatMap { Int64($0) } ?? 0,
                mtimeNanoseconds: columns["mtime_ns"].flatMap { Int64($0) } ?? 0)
        }
        return videos
    }
}
