import Foundation
import GRDB
import Jobs
import Testing

extension Reliability {
    /// SQLite up to 3.51.2 can lose commits in checkpoints; the queue guards its own.
    @Suite(
        .serialized, .enabled(if: CompiledShim.compiler != nil, "\(CompiledShim.needsCompiler)"))
    struct CheckpointGuardTests {
        /// Workers that answer so much that the log is checkpointed many times.
        ///
        /// - Parameter logLimit: bytes of log after which a worker checkpoints by itself
        private func watch(
            _ environment: [String: String] = [:], logLimit: Int = 300_000
        ) async throws -> [String: Int] {
            let folder = try MemoryFolder()
            let shim = try CompiledShim.library("checkpoint_watch", in: folder.path)
            let database = "\(folder.path)/queue.db"
            try await fill(database, 400)
            let report = "\(folder.path)/watched"
            let variables = [
                "LD_PRELOAD": shim, "ZIPVL_WATCH_DB": database, "ZIPVL_WATCH_LOG": report,
            ].merging(environment) { $1 }
            let workers = try (0..<3).map { number in
                try Child(
                    builtProgram("storm-worker"),
                    [database, "\(folder.path)/\(number).acks", "0", "--log-limit", "\(logLimit)"],
                    environment: variables, output: "\(folder.path)/\(number).out")
            }
            for worker in workers { #expect(try await worker.ended() == .code(0)) }
            let lines = try String(contentsOfFile: report, encoding: .utf8).split(separator: "\n")
            return Dictionary(lines.map { (String($0), 1) }, uniquingKeysWith: +)
        }

        fileprivate func fill(_ database: String, _ count: Int) async throws {
            let queue = try SQLiteQueue(path: database)
            let config = ConfigRecord(
                fingerprint: "storm", model: "stub", modelSHA256: "stub", optionsJSON: "{}")
            let jobs = (0..<count).map { number in
                NewJob(
                    video: VideoRecord(
                        contentID: "sha256:\(number)", path: "/storm/clip-\(number).mp4",
                        sizeBytes: 1, mtimeNanoseconds: 1),
                    config: config, question: "What?")
            }
            _ = try await queue.enqueue(
                BatchSpec(name: "storm", source: "-", specJSON: "{}"), jobs)
        }

        @Test(.enabled(if: SQLiteSafety.needsGuard, "this SQLite does not have the fault"))
        func `a worker's checkpoints are all guarded, and its connections all sync`() async throws {
            let seen = try await watch()
            print("checkpoint watch: \(seen)")
            #expect((seen["write guarded"] ?? 0) > 100)
            #expect(seen["write unguarded"] == nil)
            let connections = seen.filter { $0.key.hasPrefix("connection") }
            #expect(connections.keys.sorted() == ["connection 2 0 0 wal"])
            #expect((connections.values.first ?? 0) >= 9, "two writers and a reader each")
        }

        /// What the watch sees when the guard is out: the workers are told that it is not needed.
        @Test(.enabled(if: SQLiteSafety.needsGuard, "this SQLite does not have the fault"))
        func `without the guard the watch sees checkpoints`() async throws {
            let seen = try await watch(
                ["ZIPVL_SQLITE_WAL_FIXED": "1"], logLimit: 64 << 20)
            print("checkpoint watch without the guard: \(seen)")
            #expect((seen["write unguarded"] ?? 0) > 0)
            #expect(seen.keys.contains { $0.hasPrefix("connection 2 1000 ") })
        }

        private struct Counts {
            var checkpoints, committed, found, windows: Int
            var integrity: String

            /// "checkpoints N committed C found F integrity TEXT windows W"
            init?(_ line: String) {
                let words = line.split(whereSeparator: \.isWhitespace)
                let values = stride(from: 1, to: words.count, by: 2).map { words[$0] }
                guard values.count == 5, let checkpoints = Int(values[0]),
                    let committed = Int(values[1]), let found = Int(values[2]),
                    let windows = Int(values[4])
                else { return nil }
                (self.checkpoints, self.committed, self.found) = (checkpoints, committed, found)
                (self.integrity, self.windows) = (String(values[3]), windows)
            }
        }

        /// - Returns: `nil` when the file was so damaged that the program met it
        private func race(_ mode: String, _ checkpoints: Int) async throws -> Counts? {
            let folder = try MemoryFolder()
            let program = try CompiledShim.program("wal_reset", in: folder.path, ["-lsqlite3"])
            let child = try Child(
                program, [folder.path, mode, "\(checkpoints)"], output: "\(folder.path)/out")
            let ending = try await child.ended()
            let line = try String(contentsOfFile: "\(folder.path)/out", encoding: .utf8)
            print("WAL reset, \(mode): \(line)", terminator: "")
            if line.contains("malformed") { return nil }
            #expect(ending == .code(0))
            let counts: Counts = try #require(Counts(line))
            return counts
        }

        @Test func `a thousand guarded checkpoints under load lose nothing`() async throws {
            let counts = try #require(
                try await race("guarded", Reliability.bound(1000, full: 20_000)))
            #expect(counts.found == counts.committed)
            #expect(counts.integrity == "ok")
            #expect(counts.windows > 100, "the time in which the fault strikes was not widened")
        }

        /// On the library that is linked, by a wait in the one system call that lies in the race.
        @Test(.enabled(if: SQLiteSafety.needsGuard, "this SQLite does not have the fault"))
        func `without the guard the same load loses commits`() async throws {
            var isCaught = false
            for _ in 0..<5 where !isCaught {
                let counts = try await race("passive", 1000)
                isCaught = counts.map { $0.found != $0.committed || $0.integrity != "ok" } ?? true
            }
            #expect(isCaught)
        }
    }
}

extension Reliability.CheckpointGuardTests {
    /// The workers themselves on the distribution's SQLite with waits put into the race. Built from the
    /// distribution's source package, so not in every run.
    @Test(
        .enabled(if: Reliability.isFull, "builds SQLite from its source: ZIPVL_SOAK=1"),
        .enabled(if: SQLiteSafety.needsGuard, "this SQLite does not have the fault"),
        .timeLimit(.minutes(30)))
    func `workers on an SQLite with a wide race lose nothing with the guard`() async throws {
        let folder = try MemoryFolder()
        let script = try Child(
            "/bin/sh", ["\(CompiledShim.folder)/hooked_sqlite.sh", folder.path],
            output: "\(folder.path)/build.out")
        let ending = try await script.ended(within: .seconds(900))
        let output = try String(contentsOfFile: "\(folder.path)/build.out", encoding: .utf8)
        guard ending != .code(77) else {
            return Reliability.skip("workers on a hooked SQLite", output)
        }
        try #require(ending == .code(0), "\(output)")

        let variables = ["LD_LIBRARY_PATH": folder.path, "ZIPVL_WAL_HOOK_US": "3000"]
        // A checkpoint after every few answers: some thousands of them.
        let guarded = try await work(6000, ["--log-limit", "30000"], variables)
        print("hooked SQLite, guarded: \(guarded)")
        #expect(guarded.isWhole)
        var isCaught = false
        for _ in 0..<5 where !isCaught {
            // Checkpoints of SQLite's own, after each commit once the log has a thousand pages.
            let free = try await work(
                3000, [], variables.merging(["ZIPVL_SQLITE_WAL_FIXED": "1"]) { $1 })
            print("hooked SQLite, without the guard: \(free)")
            isCaught = !free.isWhole
        }
        #expect(isCaught, "the guard is not what kept the first queue whole")
    }

    private struct Outcome {
        var integrity: String
        var acknowledged, missing: Int
        var endings: Set<String>

        var isWhole: Bool { integrity == "ok" && missing == 0 && endings == ["code(0)"] }
    }

    private func work(
        _ jobs: Int, _ options: [String], _ variables: [String: String]
    ) async throws -> Outcome {
        let folder = try MemoryFolder()
        let database = "\(folder.path)/queue.db"
        try await fill(database, jobs)
        let workers = try (0..<4).map { number in
            try Child(
                builtProgram("storm-worker"),
                [database, "\(folder.path)/\(number).acks", "0"] + options,
                environment: variables, output: "\(folder.path)/\(number).out")
        }
        var endings: Set<String> = []
        for worker in workers {
            endings.insert("\(try await worker.ended(within: .seconds(600)))")
        }
        let told = try (0..<4).flatMap { number in
            try String(contentsOfFile: "\(folder.path)/\(number).acks", encoding: .utf8)
                .split(separator: "\n").compactMap { $0.split(separator: " ").first }
                .compactMap { JobID($0) }
        }
        let file = try DatabaseQueue(path: database)
        let integrity = try? await file.read { db in
            try String.fetchOne(db, sql: "PRAGMA integrity_check(1)")
        }
        let answered = try? await file.read { db in
            Set(try JobID.fetchAll(db, sql: "SELECT job_id FROM answers"))
        }
        return Outcome(
            integrity: (integrity ?? nil) ?? "unreadable", acknowledged: told.count,
            missing: told.filter { answered?.contains($0) != true }.count, endings: endings)
    }
}
