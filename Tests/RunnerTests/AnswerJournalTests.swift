import Foundation
import Glibc
import Synchronization
import Testing

@testable import Jobs
@testable import Runner

@Suite(.timeLimit(.minutes(10))) struct AnswerJournalTests {
    private static func folder() -> String { NSTemporaryDirectory() + "journal-\(UUID())" }

    private static func entry(_ number: Int64, _ text: String = "yes") -> JournalledAnswer {
        var answer = Answer.stub(text)
        answer.extraJSON = #"{"a":[1.5]}"#
        return JournalledAnswer(
            job: number, attempt: number * 10, dedupeKey: "key \(number)", answer: answer,
            writtenAtMS: 1000 + number)
    }

    private static func files(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).filter {
            $0.contains(".jsonl")
        }.sorted()
    }

    /// Writes entries as a worker that died afterwards; the file's path.
    private static func leave(_ entries: [JournalledAnswer], in folder: String) throws -> String {
        let journal = try AnswerJournal(folder: folder, name: "host-1")
        for entry in entries { try journal.append(entry) }
        // The same bytes under another name, and no lock.
        let path = folder + "/dead.jsonl"
        try FileManager.default.copyItem(atPath: journal.path, toPath: path)
        for entry in entries { journal.acknowledge(entry.attempt) }
        journal.close()
        return path
    }

    @Test func `what a dead worker wrote is taken in, word for word, and then gone`() async throws {
        let folder = Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let entries = [Self.entry(1, "a\nb\u{0}\"ü"), Self.entry(2)]
        _ = try Self.leave(entries, in: folder)
        var taken: [JournalledAnswer] = []
        let replay = try await AnswerJournal.replay(folder: folder) {
            taken.append($0)
            return .stored
        }
        #expect(taken == entries)
        #expect(replay.stored == 2 && replay.notices.isEmpty)
        #expect(try Self.files(folder).isEmpty)
    }

    @Test func `a living worker's journal is left alone, and deleted when all is acknowledged`()
        async throws
    {
        let folder = Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let journal = try AnswerJournal(folder: folder, name: "host-1")
        let other = try AnswerJournal(folder: folder, name: "host-1")
        #expect(journal.path != other.path)
        try journal.append(Self.entry(1))
        let replay = try await AnswerJournal.replay(folder: folder) { _ in
            Issue.record("read although its worker lives")
            return .stored
        }
        #expect(replay == AnswerJournal.Replay())
        #expect(journal.pending.map(\.job) == [1])
        journal.acknowledge(10)
        journal.close()
        other.close()
        #expect(try Self.files(folder).isEmpty)
        #expect(throws: QueueError.self) { try journal.append(Self.entry(2)) }
    }

    @Test func `a torn last line and damaged lines cost no other answer`() async throws {
        let folder = Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = try Self.leave([Self.entry(1), Self.entry(2), Self.entry(3)], in: folder)
        var lines = try String(contentsOfFile: path, encoding: .utf8)
            .trimmingCharacters(in: CharacterSet(charactersIn: "\0"))
            .split(separator: "\n").map(String.init)
        try #require(lines.count == 3)
        lines[1] = "{\"job\":"
        let torn = lines[2].prefix(lines[2].count / 2)
        try "\(lines[0])\n\(lines[1])\n\(torn)".write(
            toFile: path, atomically: true, encoding: .utf8)
        var taken: [JobID] = []
        let replay = try await AnswerJournal.replay(folder: folder) {
            taken.append($0.job)
            return .stored
        }
        #expect(taken == [1])
        #expect(replay.damaged == 1)
        #expect(replay.notices.contains { $0.contains("torn") })
        #expect(replay.notices.contains { $0.contains("dead.jsonl:2") })
        // The damaged lines stay for a person to look at.
        #expect(try Self.files(folder) == ["dead.jsonl.damaged"])
        #expect(try await AnswerJournal.replay(folder: folder) { _ in .stored }.stored == 0)
    }

    @Test func `what cannot be taken in yet stays, and only that`() async throws {
        let folder = Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        _ = try Self.leave((1...5).map { Self.entry($0) }, in: folder)
        let results: [JobID: Readmission] = [
            1: .stored, 2: .running, 3: .alreadyAnswered, 4: .unknownJob, 5: .cancelled,
        ]
        let first = try await AnswerJournal.replay(folder: folder) {
            results[$0.job] ?? .stored
        }
        #expect((first.stored, first.dropped, first.kept) == (1, 2, 2))
        var taken: [JobID] = []
        let second = try await AnswerJournal.replay(folder: folder) {
            taken.append($0.job)
            return .stored
        }
        #expect(taken == [2, 4] && second.stored == 2)
        #expect(try Self.files(folder).isEmpty)
    }

    @Test func `a queue that goes away in the midst is asked for the rest only`() async throws {
        let folder = Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        _ = try Self.leave((1...3).map { Self.entry($0) }, in: folder)
        await #expect(throws: QueueError.self) {
            _ = try await AnswerJournal.replay(folder: folder) {
                if $0.job == 2 { throw QueueError(.busy, "locked") }
                return .stored
            }
        }
        var taken: [JobID] = []
        _ = try await AnswerJournal.replay(folder: folder) {
            taken.append($0.job)
            return .stored
        }
        #expect(taken == [2, 3])
    }

    @Test func `the file begins anew when it is long and nothing in it is needed`() throws {
        let folder = Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let journal = try AnswerJournal(folder: folder, name: "host-1")
        defer { journal.close() }
        for number in 1...2000 {
            try journal.append(Self.entry(Int64(number)))
            journal.acknowledge(Int64(number) * 10)
        }
        let size = try FileManager.default.attributesOfItem(atPath: journal.path)[.size] as? Int
        #expect(try #require(size) <= AnswerJournal.reserve + 4096)
    }

    @Test func `files are let go of`() async throws {
        let folder = Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let journal = try AnswerJournal(folder: folder, name: "host-1")
        defer { journal.close() }
        func isOpen() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
        }
        let before = try isOpen()
        for _ in 0..<300 { _ = try await AnswerJournal.replay(folder: folder) { _ in .stored } }
        // Other tests open some, too.
        #expect(try isOpen() < before + 250)
    }

    // MARK: The worker's use of it

    private static func options(_ fixture: QueueFixture) -> RunnerOptions {
        var options = RunnerOptions.quick
        options.journalFolder = fixture.folder.path + "/q.db.answers"
        return options
    }

    @Test
    func `an answer that the queue cannot take is stored by the next run, not computed again`()
        async throws
    {
        let clock = ManualClock()
        let fixture = try QueueFixture(environment: clock.environment)
        defer { fixture.remove() }
        let ids = try await fixture.enqueueGroup(3)
        let queue = AilingQueue(fixture.queue)
        let answered = Mutex<[String]>([])
        let engine = StubEngine(answer: { _, input in
            answered.withLock { $0.append(input) }
            queue.completionError = QueueError(.full, "no room")
            return "answer \(input)"
        })
        let options = Self.options(fixture)
        let worker = runner(queue, engine, options, clock: clock.runnerClock)
        let error = await #expect(throws: QueueError.self) {
            try await clock.run { try await worker.run() }
        }
        #expect(error?.kind == .full)
        #expect(answered.withLock { $0 } == ["1"])
        #expect(try Self.files(try #require(options.journalFolder)).count == 1)

        let second = runner(fixture.queue, engine, options, clock: clock.runnerClock)
        let summary = try await clock.run { try await second.run() }
        #expect((summary.readmitted, summary.succeeded) == (1, 2))
        #expect(answered.withLock { $0 } == ["1", "2", "3"])
        #expect(try await fixture.queue.show(ids[0])?.answer?.answer == "answer 1")
        #expect(try Self.files(try #require(options.journalFolder)).isEmpty)
    }

    @Test func `when the queue comes back during the run its answers are stored then`()
        async throws
    {
        let clock = ManualClock()
        let fixture = try QueueFixture(environment: clock.environment)
        defer { fixture.remove() }
        try await fixture.enqueue(3)
        let queue = AilingQueue(fixture.queue)
        let answered = Mutex(0)
        let engine = StubEngine(answer: { _, input in
            answered.withLock { $0 += 1 }
            queue.completionError = input == "1" ? QueueError(.busy, "locked") : nil
            return input
        })
        let worker = runner(queue, engine, Self.options(fixture), clock: clock.runnerClock)
        let summary = try await clock.run { try await worker.run() }
        #expect(summary.readmitted == 1 && summary.journalled == 0)
        #expect(answered.withLock { $0 } == 3)
        #expect(try await fixture.states() == [.succeeded, .succeeded, .succeeded])
    }

    @Test func `an answer that is lost to another worker is not kept`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        try await fixture.enqueue(1)
        var elsewhere = QueueEnvironment()
        elsewhere.host = HostIdentity(host: "elsewhere", bootID: "other")
        elsewhere.now = { Int64(Date().timeIntervalSince1970 * 1000) + 3_600_000 }
        let other = try SQLiteQueue(path: fixture.queue.path, environment: elsewhere)
        let engine = StubEngine(answer: { _, input in
            _ = try await other.rescue()
            return input
        })
        var options = Self.options(fixture)
        options.heartbeat = .seconds(3600)
        options.maxJobs = 1
        let summary = try await runner(fixture.queue, engine, options).run()
        #expect((summary.lost, summary.journalled) == (1, 0))
        #expect(try Self.files(try #require(options.journalFolder)).isEmpty)
        #expect(try await fixture.states() == [.queued])
    }

    @Test func `the answer is on the disk before the queue is asked to take it`() async throws {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        try await fixture.enqueue(1)
        let queue = AilingQueue(fixture.queue)
        queue.completionFailures = 1
        let options = Self.options(fixture)
        let folder = try #require(options.journalFolder)
        let found = Mutex("")
        let observer = NoticeObserver {
            let names = (try? Self.files(folder)) ?? []
            let text = names.first.flatMap {
                try? String(contentsOfFile: folder + "/" + $0, encoding: .utf8)
            }
            found.withLock { $0 = text ?? "" }
        }
        _ = try await runner(queue, StubEngine(), options, observer: observer).run()
        #expect(found.withLock { $0 }.contains("answer to 1"))
    }
}

/// Calls back when a run tells of trouble.
private struct NoticeObserver: RunObserver {
    let onNotice: @Sendable () -> Void
    func handle(_ event: RunEvent) { if case .notice = event { onNotice() } }
}
