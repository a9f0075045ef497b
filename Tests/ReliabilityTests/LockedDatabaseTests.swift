import Foundation
import Jobs
import Testing

extension Reliability {
    /// Somebody else's program keeps the database.
    @Suite(
        .serialized, .enabled(if: CompiledShim.compiler != nil, "\(CompiledShim.needsCompiler)"))
    struct LockedDatabaseTests {
        private let store: TestStore
        private let program: String

        init() async throws {
            store = try #require(try await TestStore.make(.sqlite, for: "locked database"))
            program = try CompiledShim.program(
                "hold_database", in: store.folder.path, ["-lsqlite3"])
        }

        /// Another process with an open transaction.
        private func hold(_ mode: String, _ seconds: Double) async throws -> Child {
            let output = store.folder.file("hold-\(UUID().uuidString)")
            let child = try Child(
                program, [store.location, mode, "\(seconds)"], output: output)
            try await eventually("another process holds the database") {
                try String(contentsOfFile: output, encoding: .utf8).hasPrefix("held")
            }
            return child
        }

        private func queue(busyTimeout: Double) throws -> SQLiteQueue {
            var environment = QueueEnvironment()
            environment.busyTimeout = busyTimeout
            return try SQLiteQueue(path: store.location, environment: environment)
        }

        @Test(.timeLimit(.minutes(5)))
        func `a lock shorter than the time-out is waited for by every call`() async throws {
            let length = Reliability.bound(1.0, full: 5.0)
            try await store.enqueue(0..<4)
            let queue = try queue(busyTimeout: Reliability.bound(6, full: 30))
            let worker = try await queue.register(.current(device: "cpu", version: "test"))
            let claim = try #require(
                try await queue.claim(worker, filter: ClaimFilter(), lease: .seconds(60)))
            let holder = try await hold("exclusive", length)
            let start = ContinuousClock.now
            async let next: Claim? = queue.claim(
                worker, filter: ClaimFilter(), lease: .seconds(60))
            async let beat = queue.heartbeat(
                worker, [LiveAttempt(claim.attempt)], lease: .seconds(60))
            async let added = store.queue.enqueue(
                BatchSpec(name: "more", source: "-", specJSON: "{}"), [])
            #expect(
                try await queue.list(JobSelection(), limit: 9).count == 4, "readers do not wait")
            #expect(ContinuousClock.now - start < .seconds(length))
            #expect(try await queue.complete(claim.attempt, .stub) == .stored)
            #expect(ContinuousClock.now - start > .seconds(length * 0.8))
            _ = try await (next, added)
            _ = try await beat
            _ = try await holder.ended()
            try await store.expectClean()
        }

        @Test(.timeLimit(.minutes(5)))
        func `a lock longer than the time-out ends calls in time, and nothing is half done`()
            async throws
        {
            let timeout = Reliability.bound(0.5, full: 30.0)
            let length = Reliability.bound(4.0, full: 45.0)
            try await store.enqueue(0..<4)
            let queue = try queue(busyTimeout: timeout)
            let worker = try await queue.register(.current(device: "cpu", version: "test"))
            let claim = try #require(
                try await queue.claim(worker, filter: ClaimFilter(), lease: .seconds(600)))
            let holder = try await hold("exclusive", length)
            // Only the whole time-out shows what the program itself does.
            let command = Reliability.isFull ? try zipvl(["cancel", "--state", "queued"]) : nil
            let start = ContinuousClock.now
            let error = await #expect(throws: QueueError.self) {
                _ = try await queue.complete(claim.attempt, .stub)
            }
            #expect(error?.kind == .busy)
            #expect(error?.message.contains(store.location) == true)
            #expect(ContinuousClock.now - start < .seconds(timeout + 5))
            if let command {
                #expect(try await command.child.ended() == .code(75))
                #expect(ContinuousClock.now - start < .seconds(timeout + 5))
                #expect(command.output.contains(store.location))
            }
            _ = try await holder.ended()
            #expect(try await queue.show(claim.job)?.job.state == .running)
            #expect(try await queue.complete(claim.attempt, .stub) == .stored)
            #expect(try await queue.remaining(JobSelection()) == 3)
            try await store.expectClean()
        }

        /// A lock of 45 s against a lease of 60 s; in short, 3 s against 6 s.
        @Test(.timeLimit(.minutes(5)))
        func `a worker keeps its job through a lock that its lease outlasts`() async throws {
            let length = Reliability.bound(3.0, full: 45.0)
            let lease = Reliability.bound(6.0, full: 60.0)
            let ids = try await store.enqueue(0..<3)
            let worker = try StormProcess(
                store.location, "worker", in: store.folder,
                milliseconds: Int(length * 500),
                [
                    "--lease", "\(lease)", "--heartbeat", "\(lease / 4)",
                    // By its lease alone: as a worker of another machine.
                    "--host", "elsewhere",
                ])
            try await eventually("the worker is at work") { worker.inHand != nil }
            let holder = try await hold("exclusive", length)
            _ = try await holder.ended()
            #expect(try await worker.child.ended() == .code(0), "\(worker.output)")
            for id in ids {
                let detail = try #require(try await store.queue.show(id))
                #expect(detail.attempts.map(\.outcome) == ["succeeded"])
            }
            #expect(store.folder.inferences().values.allSatisfy { $0 == 1 })
            try await store.expectClean()
        }

        /// Five minutes: longer than any time-out.
        @Test(
            .enabled(if: Reliability.isFull, "takes five minutes: ZIPVL_SOAK=1"),
            .timeLimit(.minutes(15)))
        func `a lock of five minutes ends a worker with 75 or is outlasted`() async throws {
            try await store.enqueue(0..<10)
            let holder = try await hold("exclusive", 300)
            let worker = try StormProcess(store.location, "worker", in: store.folder)
            let ending = try await worker.child.ended(within: .seconds(400))
            print("a lock of 300 s: the worker ended with \(ending)")
            #expect([.code(75), .code(0)].contains(ending))
            _ = try await holder.ended(within: .seconds(400))
            let next = try StormProcess(store.location, "next", in: store.folder)
            #expect(try await next.child.ended() == .code(0))
            let audit = try await Audit(store.queue)
            audit.expectAllAnswered(10)
            try await store.expectClean()
        }

        @Test(.timeLimit(.minutes(20)))
        func `the log grows under a long read only by what is written, says so, and shrinks after`()
            async throws
        {
            let length = 600.0
            let (limit, jobs) = (100_000, Reliability.bound(150, full: 400))
            try await store.enqueue(0..<jobs)
            let reader = try await hold("read", length)
            let before = try logSize()
            let options = ["--log-limit", "\(limit)"]
            let first = try StormProcess(
                store.location, "first", in: store.folder, milliseconds: 0, options)
            #expect(try await first.child.ended() == .code(0))
            let grown = try logSize()
            print("\(jobs) jobs under a long read: log of \(before) bytes, then \(grown)")
            #expect(grown > 8 * limit, "the read kept the log")
            #expect(grown - before < jobs * 250_000, "a job writes some twenty pages")
            var environment = QueueEnvironment()
            environment.logLimit = Int64(limit)
            let queue = try SQLiteQueue(path: store.location, environment: environment)
            let finding = try #require(try await queue.check().first { $0.subject == "log" })
            #expect(finding.level == .warning, "\(finding.detail)")
            #expect(finding.detail.contains("\(grown / 1024)"))

            try await reader.kill()
            try await store.enqueue(jobs..<jobs + 40)
            let second = try StormProcess(
                store.location, "second", in: store.folder, milliseconds: 0, options)
            #expect(try await second.child.ended() == .code(0))
            #expect(try logSize() < 4 * limit)
            try await store.expectClean()
        }

        private func logSize() throws -> Int {
            let attributes = try FileManager.default.attributesOfItem(
                atPath: store.location + "-wal")
            return try #require(attributes[.size] as? Int)
        }

        private func zipvl(_ arguments: [String]) throws -> CommandRun {
            try CommandRun(["--queue", store.location] + arguments, in: store.folder)
        }
    }
}

/// A run of `zipvl-batch`.
struct CommandRun {
    let child: Child
    private let file: String

    /// - Parameter wrapper: program and arguments that start it
    init(_ arguments: [String], in folder: TestFolder, wrapper: [String] = []) throws {
        file = folder.file("command-\(UUID().uuidString)")
        let words = try wrapper + [builtProgram("zipvl-batch")] + arguments
        child = try Child(words[0], Array(words.dropFirst()), output: file)
    }

    var output: String { (try? String(contentsOfFile: file, encoding: .utf8)) ?? "" }
}
