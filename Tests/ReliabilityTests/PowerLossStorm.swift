import Foundation
import GRDB
import Glibc
import Jobs
import Testing

/// One queue that loses its power again and again: worker processes on a disk that forgets
/// (`shims/power_loss.c`), all killed at one moment; what the disk would have kept is the queue that
/// the next workers find.
final class PowerLossStorm {
    /// What the images of a storm showed.
    struct Findings {
        var kills = 0
        var images = 0
        /// Operations on the queue's files before the kills.
        var operations = 0
        var acknowledged = 0
        /// Acknowledged answers that an image does not have, of each image.
        var lost = 0
        var finished = 0
        /// What is wrong with an image otherwise.
        var faults: [String] = []
    }

    private let folder: MemoryFolder
    private let shim: String
    private let worker: String
    private let environment: [String: String]
    private var random: SplitMix
    private var round = 0
    private var acknowledged: [JobID: AttemptID] = [:]
    /// What the disk has.
    private var disk: [[UInt8]?] = []
    private(set) var findings = Findings()

    /// - Parameter environment: of the workers, beside the shim's
    init(seed: UInt64, environment: [String: String] = [:]) throws {
        folder = try MemoryFolder()
        shim = try CompiledShim.library("power_loss", in: folder.path)
        worker = try builtProgram("storm-worker")
        random = SplitMix(seed: seed)
        self.environment = environment
    }

    /// Four workers for a random time, then no power.
    ///
    /// - Parameter cuts: power cuts at earlier moments of the same round that are looked at, too
    func run(cuts: Int) async throws {
        round += 1
        let place = "\(folder.path)/\(round)"
        try FileManager.default.createDirectory(
            atPath: place, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: place) }
        let database = "\(place)/queue.db"
        try write(disk, to: database)
        try await refill(database)
        let log = "\(place)/operations.log"
        try PowerLossLog.begin(log, database: database)
        try await killAll(database, log)

        let record = try PowerLossLog(path: log)
        findings.kills += 1
        findings.operations += record.records.count
        expectExact(record, database)
        let acks = try acknowledgements(in: place)
        let end = record.records.count
        for _ in 0..<cuts {
            // After what stood before, which has been looked at.
            let first = record.records.firstIndex { $0.operation != .base } ?? end
            let cut = Int.random(in: first...end, using: &random)
            try await examine(
                image(record, cut), acks.told(record.acknowledged(before: cut)),
                finishes: Int.random(in: 0..<4, using: &random) == 0, "cut at \(cut) of \(end)")
        }
        for (job, attempt) in acks.all {
            if let before = acknowledged.updateValue(attempt, forKey: job), before != attempt {
                findings.faults.append("round \(round): job \(job) was acknowledged twice")
            }
        }
        disk = image(record, end)
        try await examine(disk, acknowledged.map { ($0, $1) }, finishes: cuts == 0, "end")
    }

    private func image(_ log: PowerLossLog, _ cut: Int) -> [[UInt8]?] {
        // Nothing, next to nothing, much, or nearly all of what was not synced survives.
        let shares: [Double] = [0, 0.05, 0.5, 0.9, 0.99, 1]
        let share = shares.randomElement(using: &random) ?? 0
        findings.images += 1
        return log.image(before: cut, .some(share), using: &random)
    }

    /// More jobs when few are left, before the workers start: they are on the disk. By a process of its
    /// own, after whose end nothing has the files open.
    private func refill(_ database: String) async throws {
        let place = URL(fileURLWithPath: database).deletingLastPathComponent().path
        if disk.contains(where: { $0 != nil }), try left(in: database) >= 100 { return }
        let child = try Child(
            worker, ["fill", database, "round\(round)-", "200"], output: "\(place)/fill.out")
        guard try await child.ended() == .code(0) else {
            let output = try? String(contentsOfFile: "\(place)/fill.out", encoding: .utf8)
            throw Child.ChildFailure(
                description: "round \(round): no more jobs: \(output ?? "") \(findings)")
        }
    }

    private func left(in database: String) throws -> Int {
        let file = try DatabaseQueue(path: database)
        defer { try? file.close() }
        return try file.read { db in
            try Int.fetchOne(
                db, sql: "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')") ?? 0
        }
    }

    // MARK: The kill

    private func killAll(_ database: String, _ log: String) async throws {
        let lock = open(log, O_RDWR | O_CLOEXEC)
        defer { close(lock) }
        guard lock >= 0 else { throw QueueError(.unavailable, "\(log): cannot be opened") }
        let place = URL(fileURLWithPath: database).deletingLastPathComponent().path
        let variables = environment.merging([
            "LD_PRELOAD": shim, "ZIPVL_POWER_DB": database, "ZIPVL_POWER_LOG": log,
            "ZIPVL_POWER_SYNC_US": "1500",
        ]) { $1 }
        let workers = try (0..<4).map { number in
            let milliseconds = Int.random(in: 0...4, using: &random)
            return try Child(
                worker,
                [
                    database, "\(place)/\(round)-\(number).acks", "\(milliseconds)",
                    // Checkpoints are what most can go wrong in.
                    "--log-limit", "300000", "--group", "3",
                ],
                environment: variables, output: "\(place)/\(number).out")
        }
        // Sometimes while they start, mostly at work.
        if Int.random(in: 0..<5, using: &random) > 0 {
            try await eventually("the workers of round \(round) have stored an answer") {
                try workers.allSatisfy { $0.isRunning }
                    && !acknowledgements(in: place).all.isEmpty
                    || workers.contains { !$0.isRunning }
            }
        }
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...300, using: &random)))
        for (number, worker) in workers.enumerated() {
            switch worker.endedNow() {
            case nil, .code(0)?: break
            case let ending?:
                let output = try? String(contentsOfFile: "\(place)/\(number).out", encoding: .utf8)
                findings.faults.append("round \(round): a worker ended: \(ending): \(output ?? "")")
            }
        }
        while flock(lock, LOCK_EX) != 0 {}
        for worker in workers { worker.signal(SIGKILL) }
        for worker in workers { _ = try await worker.ended() }
        flock(lock, LOCK_UN)
    }

    /// With all operations replayed, the files must be what they are in memory; else an image is no proof.
    private func expectExact(_ log: PowerLossLog, _ database: String) {
        let all = log.image(before: log.records.count, .all, using: &random)
        for (suffix, replayed) in zip(PowerLossLog.suffixes, all) {
            let found = FileManager.default.contents(atPath: database + suffix)
            // A file that was made and never written to is nothing that the log tells.
            if replayed ?? [] != Array(found ?? Data()) {
                findings.faults.append(
                    "round \(round): the log does not tell all of queue.db\(suffix): "
                        + "\(replayed?.count ?? -1) bytes, \(found?.count ?? -1) in the file")
            }
        }
    }

    // MARK: Acknowledgements

    private struct Acknowledgements {
        /// Bytes of each file of this round.
        var files: [String: Data] = [:]

        var all: [(JobID, AttemptID)] { told(files.mapValues(\.count)) }

        /// What had been told when the files were of these sizes.
        func told(_ sizes: [String: Int]) -> [(JobID, AttemptID)] {
            sizes.flatMap { name, size in
                String(decoding: (files[name] ?? Data()).prefix(size), as: UTF8.self)
                    .split(separator: "\n").compactMap { line in
                        let words = line.split(separator: " ")
                        guard words.count == 2, let job = JobID(words[0]),
                            let attempt = AttemptID(words[1])
                        else { return nil }
                        return (job, attempt)
                    }
            }
        }
    }

    private func acknowledgements(in place: String) throws -> Acknowledgements {
        var result = Acknowledgements()
        for name in try FileManager.default.contentsOfDirectory(atPath: place)
        where name.hasSuffix(".acks") {
            result.files[name] = FileManager.default.contents(atPath: "\(place)/\(name)")
        }
        return result
    }

    // MARK: What the disk kept

    private func examine(
        _ image: [[UInt8]?], _ told: [(JobID, AttemptID)], finishes: Bool, _ what: String
    ) async throws {
        let place = "\(folder.path)/image"
        try FileManager.default.createDirectory(
            atPath: place, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: place) }
        let database = "\(place)/queue.db"
        try write(image, to: database)
        do {
            let answers = try inspect(database, what)
            // In rounds before this one, too: `acknowledged` has those.
            let all = acknowledged.merging(told) { $1 }
            let missing = all.filter { answers[$0.key] != $0.value }
            findings.acknowledged += all.count
            findings.lost += missing.count
            if finishes { try await finish(database, answers, what) }
        } catch {
            findings.faults.append("round \(round), \(what): \(error)")
        }
    }

    private func inspect(_ database: String, _ what: String) throws -> [JobID: AttemptID] {
        let file = try DatabaseQueue(path: database)
        defer { try? file.close() }
        return try file.read { db in
            let integrity = try String.fetchAll(db, sql: "PRAGMA integrity_check")
            if integrity != ["ok"] {
                findings.faults.append("round \(round), \(what): \(integrity)")
            }
            let keys = try Int.fetchOne(
                db, sql: "SELECT count(*) FROM pragma_foreign_key_check")
            if keys != 0 {
                findings.faults.append("round \(round), \(what): \(keys ?? -1) rows without others")
            }
            let rows = try Row.fetchAll(db, sql: "SELECT job_id, attempt_id FROM answers")
            return Dictionary(uniqueKeysWithValues: rows.map { ($0[0], $0[1]) })
        }
    }

    /// Rescues what was running and answers all that is left, as the next worker would.
    private func finish(
        _ database: String, _ before: [JobID: AttemptID], _ what: String
    ) async throws {
        let queue = try SQLiteQueue(path: database)
        _ = try await queue.rescue()
        let worker = try await queue.register(.current(device: "cpu", version: "storm"))
        while true {
            let claims = try await queue.claim(
                worker, filter: ClaimFilter(), limit: 8, lease: .seconds(60))
            if claims.isEmpty { break }
            for claim in claims {
                guard try await queue.start(claim.attempt),
                    try await queue.complete(claim.attempt, .stub) == .stored
                else {
                    findings.faults.append("round \(round), \(what): job \(claim.job) was lost")
                    continue
                }
            }
        }
        try await queue.unregister(worker, reason: "end")
        let status = try await queue.status(batch: nil)
        let left = status.reduce(0) {
            $0 + $1.held + $1.ready + $1.scheduled + $1.retrying + $1.running + $1.orphaned
                + $1.failed + $1.cancelled
        }
        let after = try inspect(database, "\(what), finished")
        if left != 0 || !before.allSatisfy({ after[$0.key] == $0.value }) {
            findings.faults.append(
                "round \(round), \(what): \(left) jobs do not finish, or an answer was replaced")
        }
        findings.finished += 1
    }

    private func write(_ image: [[UInt8]?], to database: String) throws {
        for (suffix, content) in zip(PowerLossLog.suffixes, image) {
            guard let content else { continue }
            try Data(content).write(to: URL(fileURLWithPath: database + suffix))
        }
    }
}

/// A folder in memory where there is one: what is tested there does not depend on the disk's syncs.
final class MemoryFolder: Sendable {
    let path: String

    init() throws {
        let base = access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : NSTemporaryDirectory()
        path = base + "zipvl-reliability-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

extension Answer {
    static let stub = Answer(
        answer: "stub", finishReason: .stop, framesUsed: 1, visualTokens: 1, promptTokens: 1,
        outputTokens: 1, attnFLOPsDense: 1, attnFLOPsUsed: 1, llmFLOPsDense: 1, llmFLOPsUsed: 1,
        kvCacheBytesDense: 1, kvCacheBytesUsed: 1, peakHostBytes: 1, totalMS: 1, warnings: [])
}
