import GRDB

extension SQLiteQueue {
    /// In one snapshot, with one statement that is prepared once.
    package func knownVideos(_ files: [KnownFile]) async throws -> [VideoRecord?] {
        guard !files.isEmpty else { return [] }
        return try await read { db in
            let find = try db.cachedStatement(
                sql: """
                    SELECT * FROM videos WHERE path = ? AND size_bytes = ? AND mtime_ns = ?
                        AND content_id NOT LIKE 'bad:%'
                    """)
            return try files.map { file in
                try Row.fetchOne(
                    find, arguments: [file.path, file.sizeBytes, file.mtimeNanoseconds]
                ).map(VideoRecord.init(row:))
            }
        }
    }
}
