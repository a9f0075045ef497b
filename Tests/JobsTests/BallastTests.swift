import Foundation
import GRDB
import Glibc
import Testing

@testable import Jobs

@Suite struct BallastTests {
    /// Lets the writer's file grow no further, as on a full disk.
    private func fillUp(_ test: TestQueue) async throws {
        try await test.queue.connections.pool.writeWithoutTransaction { db in
            let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            try db.execute(sql: "PRAGMA max_page_count = \(pages)")
        }
    }

    private func long(_ text: String) -> Answer {
        var answer = Answer.sample(text)
        answer.extraJSON = "\"" + String(repeating: "x", count: 60_000) + "\""
        return answer
    }

    @Test func `ballast stands from the first opening, on the disk for real`() throws {
        let test = try TestQueue()
        var status = stat()
        #expect(stat(test.path + ".ballast", &status) == 0)
        #expect(status.st_size == 4 << 20 && status.st_blocks * 512 >= 4 << 20)
        let none = try TestQueue { $0.ballastBytes = 0 }
        #expect(!FileManager.default.fileExists(atPath: none.path + ".ballast"))
    }

    @Test func `ballast is given up when an answer does not fit, and made anew`() async throws {
        let test = try TestQueue()
        try await test.enqueue(4)
        let worker = try await test.worker()
        let claim = try await test.claim(worker)
        try await fillUp(test)
        // Enqueueing is no reason to give it up.
        let long = String(repeating: "x", count: 30_000)
        #expect(await errorKind { try await test.enqueue(9) { $0.question = long } } == .full)
        #expect(FileManager.default.fileExists(atPath: test.path + ".ballast"))
        let kind = await errorKind {
            _ = try await test.queue.complete(claim.attempt, self.long("x"))
        }
        #expect(kind == .full, "the second try failed, too")
        #expect(!FileManager.default.fileExists(atPath: test.path + ".ballast"))
        #expect(try await test.findings().map(\.subject) == ["ballast"])
        try await test.queue.maintain()
        #expect(try await test.findings().isEmpty)
    }

    @Test func `on a full disk the answer in hand is stored`() async throws {
        let folder = try TemporaryFolder()
        let disk = folder.file("disk")
        mkdir(disk, 0o755)
        guard mount("tmpfs", disk, "tmpfs", 0, "size=4m") == 0 else {
            print("skipped: a small disk cannot be mounted: \(String(cString: strerror(errno)))")
            return
        }
        defer { umount2(disk, Int32(MNT_DETACH)) }
        let queue = try SQLiteQueue(path: disk + "/q.db")
        let ballast = queue.ballast.size
        #expect(ballast > 0 && ballast <= 512 << 10, "an eighth of a small disk")
        _ = try await queue.enqueue(.sample, (0..<20).map { .sample(video: $0) })
        let worker = try await queue.register(.current(device: "cpu", version: "test"))
        let claim = try #require(
            try await queue.claim(worker, filter: ClaimFilter(), lease: .seconds(60)))
        // Everything else on this disk is taken by somebody.
        let hog = open(disk + "/hog", O_WRONLY | O_CREAT, 0o644)
        let zeros = [UInt8](repeating: 1, count: 4096)
        while write(hog, zeros, 4096) > 0 {}
        close(hog)
        #expect(
            await errorKind {
                _ = try await queue.enqueue(
                    .sample,
                    (100..<400).map {
                        .sample(video: $0, question: String(repeating: "x", count: 999))
                    })
            } == .full)
        #expect(try await queue.list(JobSelection(), limit: 999).count == 20, "all or nothing")
        #expect(try await queue.complete(claim.attempt, long("kept")) == .stored)
        #expect(queue.ballast.size == 0)
        #expect(try await queue.show(claim.job)?.answer?.answer == "kept")
        unlink(disk + "/hog")
        try await queue.maintain()
        #expect(queue.ballast.size == ballast)
        #expect(try await queue.check().allSatisfy { $0.level == .ok })
    }
}
