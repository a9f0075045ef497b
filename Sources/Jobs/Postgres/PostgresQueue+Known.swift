extension PostgresQueue {
    /// One statement for all of them: the way to the server is long.
    package func knownVideos(_ files: [KnownFile]) async throws -> [VideoRecord?] {
        // No text of a server has a NUL character, so no such file is known.
        let asked = files.enumerated().filter { !$1.path.utf8.contains(0) }
        guard !asked.isEmpty else { return files.map { _ in nil } }
        return try await read { session in
            let rows = try session.runPrepared(
                """
                SELECT v.*, f.place
                FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
                    AS f(path, size_bytes, mtime_ns, place)
                JOIN videos v ON v.path = f.path AND v.size_bytes = f.size_bytes
                    AND v.mtime_ns = f.mtime_ns
                WHERE v.content_id NOT LIKE 'bad:%'
                """,
                [
                    asked.map(\.element.path), asked.map(\.element.sizeBytes),
                    asked.map(\.element.mtimeNanoseconds), asked.map(\.offset),
                ])
            var videos = [VideoRecord?](repeating: nil, count: files.count)
            for row in rows {
                let place: Int = try row.value("place")
                if videos.indices.contains(place) { videos[place] = try VideoRecord(row: row) }
            }
            return videos
        }
    }
}
