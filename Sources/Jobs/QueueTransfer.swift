/// A queue whose rows can be read out or put in whole, for `move`.
package protocol TransferableQueue: Sendable {
    /// Reads all tables in the order of their references, from one consistent snapshot, in chunks of
    /// at most `chunk` rows.
    ///
    /// - Throws: `busy` when jobs are running; what `sink` throws
    func readAll(
        chunk: Int, _ sink: @escaping @Sendable (TransferChunk) async throws -> Void
    ) async throws
    /// Puts rows in, all in one transaction: committed when `source` returns `nil`, rolled back when
    /// it throws. Sequences go on behind the largest ids.
    ///
    /// - Throws: `invalid` when the queue has jobs already
    func writeAll(_ source: @escaping @Sendable () async throws -> TransferChunk?) async throws
    /// Counts and checksums, the same on every back end for the same content.
    func transferSummary() async throws -> TransferSummary
}

/// Rows of one table.
package struct TransferChunk: Sendable {
    package var table: String
    package var columns: [String]
    package var rows: [[ResultRow.Value]]

    package init(table: String, columns: [String], rows: [[ResultRow.Value]]) {
        self.table = table
        self.columns = columns
        self.rows = rows
    }
}

package struct TransferSummary: Sendable, Codable, Equatable {
    /// Rows by table.
    package var counts: [String: Int]
    /// sha256 over job id, attempt id, answer text and counts of all answers by job id.
    package var answersSHA256: String

    package init(counts: [String: Int], answersSHA256: String) {
        self.counts = counts
        self.answersSHA256 = answersSHA256
    }
}
