import Foundation
import Glibc
import Testing

@testable import Jobs

/// Several real processes on one queue.
@Suite(.serialized) struct ProcessTests {
    @Test func `processes that race for jobs get each once`() async throws {
        let test = try TestQueue()
        let jobs = try await test.enqueue(200)
        let workers = try (0..<4).map { try worker(test, $0, milliseconds: 0) }
        for worker in workers {
            worker.waitUntilExit()
            #expect(worker.terminationStatus == 0)
        }
        let acknowledged = try (0..<4).flatMap { index in
            let path = test.folder.file("\(index).acks")
            guard FileManager.default.fileExists(atPath: path) else { return [JobID]() }
            return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
                .compactMap { $0.split(separator: " ").first.flatMap { JobID($0) } }
        }
        #expect(acknowledged.sorted() == jobs)
        #expect(try await test.value("SELECT count(*) FROM answers") == jobs.count)
        #expect(try await test.value("SELECT count(*) FROM attempts") == jobs.count)
    }

    @Test func `a killed worker's job is free at once, a stopped worker's is not`() async throws {
        let test = try TestQueue()
        try await test.enqueue(1)
        let process = try worker(test, 0, milliseconds: 600_000)
        while try await test.value("SELECT count(*) FROM jobs WHERE state = 'running'") == 0 {
            try await Task.sleep(for: .milliseconds(10))
        }
        kill(process.processIdentifier, SIGSTOP)
        test.clock.advance(seconds: 1_000_000_000)
        #expect(try await test.queue.rescue().isEmpty, "it lives, and holds its lock")

        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        let start = ContinuousClock.now
        #expect(try await test.queue.rescue().map(\.fate) == [.requeued])
        #expect(ContinuousClock.now - start < .seconds(2))
    }

    @Test func `processes that open a missing queue at once make one`() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("new.db")
        let workers = try (0..<6).map { try worker(path, folder.file("\($0).acks")) }
        for worker in workers {
            worker.waitUntilExit()
            #expect(worker.terminationStatus == 0)
        }
        let queue = try SQLiteQueue(path: path)
        #expect(try await queue.enqueue(.sample, [.sample(video: 1)]).inserted == [1])
        #expect(try await queue.check().allSatisfy { $0.level != .error })
    }

    private func worker(_ test: TestQueue, _ index: Int, milliseconds: Int) throws -> Process {
        try worker(test.path, test.folder.file("\(index).acks"), milliseconds: milliseconds)
    }

    private func worker(_ path: String, _ acks: String, milliseconds: Int = 0) throws -> Process {
        // The helper stands beside the test program.
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program).deletingLastPathComponent()
            .appendingPathComponent("storm-worker")
        process.arguments = [path, acks, "\(milliseconds)"]
        try process.run()
        return process
    }
}
