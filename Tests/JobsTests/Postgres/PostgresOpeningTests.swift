import Foundation
import QueueTestSupport
import Testing

@testable import Jobs

extension PostgresTests {
    @Suite struct Opening {
        @Test func `many that make the same queue at once make one`() async throws {
            let database = try PostgresDatabase()
            let url = database.url
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<6 { group.addTask { _ = try PostgresQueue(url: url) } }
                try await group.waitForAll()
            }
            #expect(try database.execute("SELECT version FROM meta") == [["4"]])
        }

        @Test func `a newer schema is refused with both versions named`() async throws {
            let test = try PostgresTestQueue()
            try test.database.execute("UPDATE meta SET version = 9")
            let error = #expect(throws: QueueError.self) { try test.another() }
            #expect(error?.kind == .incompatible)
            #expect(error?.message.contains("9") == true && error?.message.contains("4") == true)
        }

        @Test func `a queue that was migrated under a worker gives it no more jobs`() async throws {
            let test = try PostgresTestQueue()
            try await test.enqueue(1)
            let worker = try await test.worker()
            try test.database.execute("UPDATE meta SET version = 5")
            let kind = await errorKind { _ = try await test.claim(worker) }
            #expect(kind == .incompatible)
        }

        @Test func `another program's schema is refused and not touched`() throws {
            let database = try PostgresDatabase()
            try database.execute("CREATE SCHEMA zipvl; CREATE TABLE zipvl.accounts (id int)")
            let error = #expect(throws: QueueError.self) { try PostgresQueue(url: database.url) }
            #expect(error?.kind == .incompatible)
            #expect(
                try database.value(
                    "SELECT count(*) FROM pg_class WHERE relnamespace = 'zipvl'::regnamespace")
                    == "1")
        }

        @Test func `a schema that was made for the queue beforehand is used`() throws {
            let database = try PostgresDatabase()
            try database.execute("CREATE SCHEMA zipvl")
            _ = try PostgresQueue(url: database.url)
            #expect(try database.value("SELECT count(*) FROM jobs") == "0")
        }

        @Test func `reading makes nothing, and writes nothing`() async throws {
            let database = try PostgresDatabase()
            let error = #expect(throws: QueueError.self) {
                try PostgresQueue(url: database.url, readOnly: true)
            }
            #expect(error?.kind == .unavailable)
            #expect(try database.value("SELECT to_regnamespace('zipvl')") == nil)
            _ = try PostgresQueue(url: database.url)
            let reader = try PostgresQueue(url: database.url, readOnly: true)
            #expect(try await reader.status(batch: nil).isEmpty)
            let kind = await errorKind { try await reader.pause(queue: "default") }
            #expect(kind == .unavailable)
        }

        @Test(arguments: [
            "postgresql://ann:s3cret@127.0.0.1:1/queue", "postgresql://ann:s3cret@host:port/queue",
            "postgresql://ann:s3cret%zz@127.0.0.1/queue",
            "postgresql://ann@127.0.0.1:1/queue?password=s3cret",
        ])
        func `no message tells the password`(url: String) {
            let error = #expect(throws: QueueError.self) { try PostgresQueue(url: url) }
            #expect(error?.message.contains("s3cret") == false)
            #expect(error?.kind == .unavailable || error?.kind == .invalid)
        }

        @Test func `a wrong password is named without it`() throws {
            let target = try PostgresTarget(url: "postgresql://ann:s3cret@db.example:5433/night")
            #expect(target.title == "postgresql://ann@db.example:5433/night")
            let failure = PostgresFailure(state: "28P01", message: "password s3cret\nrefused")
            #expect(
                failure.queueError(target).message
                    == "postgresql://ann@db.example:5433/night: password *** refused (SQLSTATE 28P01)"
            )
        }

        @Test(arguments: [
            ("53100", QueueError.Kind.full), ("57P01", .unavailable), ("57P03", .unavailable),
            ("08006", .unavailable), ("53300", .unavailable), ("55P03", .busy), ("57014", .busy),
            ("40P01", .busy), ("40001", .busy), ("42P01", .incompatible), ("3F000", .incompatible),
            ("XX001", .corrupt), ("XX002", .corrupt), ("23514", .invalid), ("22P02", .invalid),
            ("54000", .invalid), ("25006", .unavailable), ("58030", .unavailable),
        ])
        func `the server's codes become the queue's kinds`(state: String, kind: QueueError.Kind) {
            #expect(PostgresFailure(state: state, message: "").kind == kind)
        }

        @Test func `a lock that somebody holds ends a call with busy`() async throws {
            let test = try PostgresTestQueue { $0.lockTimeout = 200 }
            try await test.enqueue(1)
            let claim = try await test.claim(try await test.worker())
            let lock = try PostgresDatabase.Session(test.database)
            try lock.execute("BEGIN; SELECT * FROM zipvl.jobs FOR UPDATE")
            let kind = await errorKind {
                _ = try await test.queue.complete(claim.attempt, .sample("x"))
            }
            #expect(kind == .busy)
            try lock.execute("ROLLBACK")
            #expect(try await test.queue.complete(claim.attempt, .sample("x")) == .stored)
        }

        @Test func `every session syncs each commit and has its time-outs`() async throws {
            let test = try PostgresTestQueue()
            for connection in [test.queue.work, test.queue.heartbeats, test.queue.people] {
                let row = try await connection.perform(within: .seconds(5)) { session in
                    try session.run(
                        """
                        SELECT current_setting('synchronous_commit') || ' '
                            || current_setting('statement_timeout') || ' '
                            || current_setting('lock_timeout') || ' '
                            || current_setting('idle_in_transaction_session_timeout') AS all
                        """
                    ).first?.value("all") as String?
                }
                #expect(row == "on 10s 5s 30s")
            }
        }

        @Test func `doctor finds nothing wrong with a new queue`() async throws {
            let test = try PostgresTestQueue()
            let findings = try await test.queue.check()
            #expect(findings.allSatisfy { $0.level == .ok }, "\(findings)")
            try test.database.execute("UPDATE meta SET version = 3")
            #expect(try await test.queue.check().contains { $0.level == .error })
        }
    }
}
