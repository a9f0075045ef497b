import Foundation
import GRDB
import TestSupport
import Testing

/// What people meet while others use the queue.
@Suite struct BusyQueueTests {
    @Test func `a database locked for longer than the time-out ends a verb with 75`() async throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        #expect(try fixture.run(["init"]).code == 0)
        let path = fixture.folder.path + "/zipvl.db"
        var configuration = Configuration()
        // The transaction stays open between two accesses.
        configuration.allowsUnsafeTransactions = true
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA wal_autocheckpoint = 0") }
        let other = try DatabaseQueue(path: path, configuration: configuration)
        try await other.writeWithoutTransaction { try $0.execute(sql: "BEGIN IMMEDIATE") }
        let pausing = try fixture.start(["pause"])
        // Readers are not kept waiting.
        #expect(try fixture.run(["status"]).code == 0)
        let ending = try pausing.end()
        #expect(ending.code == 75, "\(ending.errors)")
        #expect(ending.errors.contains("zipvl.db"))
        try await other.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
        #expect(try fixture.run(["pause"]).code == 0)
    }
}
