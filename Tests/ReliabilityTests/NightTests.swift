import Foundation
import GRDB
import Glibc
import Jobs
import Testing

extension Reliability {
    /// Everything at once, for as long as a night is in small: workers killed and stopped, the disk
    /// full, connections cut, the database locked.
    @Suite(.serialized) struct NightTests {
        struct Night: Sendable {
            var jobs = Reliability.bound(300, full: 20_000)
            var seconds = Reliability.bound(20.0, full: 1200)
            var workers = 8
            var milliseconds = 50
            /// Seconds between two troubles.
            var pause = Reliability.bound(0.2...0.8, full: 0.3...2.0)
            /// Seconds that a worker is stopped, the disk full or the database locked.
            var length = Reliability.bound(0.3...1.5, full: 0.5...8.0)
            /// Of leases of 5 seconds.
            var lease = 5.0

            /// Seconds after which a job may run: all night long, many at a time.
            func due(_ number: Int) -> Double {
                let time = 0.92 * seconds * Double(number) / Double(jobs)
                return (time / 5).rounded(.down) * 5
            }
        }

        enum Trouble: String, CaseIterable {
            case kill, stop, full, cut
        }

        @Test(.timeLimit(.minutes(60)), arguments: StoreKind.allCases)
        func `every job of a night full of troubles is answered once`(
            _ kind: StoreKind
        ) async throws {
            let night = Night()
            let disk = try SmallDisk(
                mebibytes: Reliability.bound(96, full: 384), for: "full disks of the night")
            guard let store = try await TestStore.make(kind, for: "night", at: disk?.path) else {
                return
            }
            let start = Date()
            try await store.enqueue(0..<night.jobs) {
                $1.runAt = start + night.due($0)
                $1.maxAttempts = 1000
            }
            let crew = try StormCrew(
                store.location, store.folder, milliseconds: night.milliseconds,
                options: (0..<night.workers).map { place in
                    [
                        "--journal", store.folder.file("answers"), "--lease", "\(night.lease)",
                        "--heartbeat", "1", "--group", "\(place % 3 + 1)", "--grace", "1",
                        // Two are on other machines: their leases tell whether they live.
                    ] + (place < 2 ? ["--host", "other-\(place)"] : [])
                })
            try await crew.start()
            let storm = NightStorm(night: night, store: store, crew: crew, disk: disk)
            try await storm.run()

            let audit = try await Audit(store.queue)
            audit.expectAllAnswered(night.jobs)
            audit.expectStored(store.folder.acknowledged())
            try await store.expectClean()
            Reliability.say(
                """
                night (\(kind)): \(night.jobs) jobs of \(night.milliseconds) ms, \(night.workers) \
                workers, \(Int(Date().timeIntervalSince(start))) s; \(await storm.summary); \
                \(audit.answers.count) answers, \(audit.attempts.count) attempts, of which \
                \(audit.count("crashed")) crashed, \(audit.count("lease_lost")) lost their lease, \
                \(audit.count("interrupted")) were given back; \
                \(store.folder.inferences().values.reduce(0, +)) inferences
                """)
        }
    }
}

/// Makes troubles until the night is over, replaces workers that end, then waits until all is done.
actor NightStorm {
    let night: Reliability.NightTests.Night
    let store: TestStore
    let crew: StormCrew
    let disk: SmallDisk?

    private var troubles: [String: Int] = [:]
    private var endings: [String: Int] = [:]
    /// Stopped workers and when they go on.
    private var stopped: [(worker: StormProcess, until: ContinuousClock.Instant)] = []
    private var fullUntil: ContinuousClock.Instant?
    private var lock: Task<Void, any Error>?
    private var isOver: [Bool]

    init(
        night: Reliability.NightTests.Night, store: TestStore, crew: StormCrew, disk: SmallDisk?
    ) {
        self.night = night
        self.store = store
        self.crew = crew
        self.disk = disk
        isOver = Array(repeating: false, count: night.workers)
    }

    var summary: String {
        let made = troubles.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        let ended = endings.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        return "troubles: \(made.joined(separator: ", ")); "
            + "workers ended: \(ended.joined(separator: ", "))"
    }

    func run() async throws {
        let end = ContinuousClock.now + .seconds(night.seconds)
        var next = ContinuousClock.now
        while .now < end {
            if next <= .now {
                try await makeTrouble()
                next = .now + .seconds(.random(in: night.pause))
            }
            try await look(isLate: false)
            try await Task.sleep(for: .milliseconds(20))
        }
        for (worker, _) in stopped { worker.child.thaw() }
        stopped = []
        try disk?.free()
        fullUntil = nil
        _ = try? await lock?.value
        try await eventually("the night's work is done", within: .seconds(600)) {
            try await look(isLate: true)
            return !isOver.contains(false)
        }
    }

    private func makeTrouble() async throws {
        let trouble = Reliability.NightTests.Trouble.allCases.randomElement() ?? .kill
        let length = Duration.seconds(.random(in: night.length))
        let worker = await victim()
        switch trouble {
        case .kill: worker.child.signal(SIGKILL)
        case .stop:
            worker.child.signal(SIGSTOP)
            stopped.append((worker, .now + length))
        case .full:
            guard let disk, fullUntil == nil else { return }
            try disk.fill(leaving: .random(in: 0...64) << 10)
            fullUntil = .now + length
        case .cut: guard try await cut(length) else { return }
        }
        troubles[trouble.rawValue, default: 0] += 1
    }

    /// A worker with a job in hand, if there is one.
    private func victim() async -> StormProcess {
        let workers = await crew.workers.shuffled()
        return workers.first { $0.child.isRunning && $0.inHand != nil } ?? workers[0]
    }

    /// Ends a connection of some worker; where there are none, holds up all writers.
    private func cut(_ length: Duration) async throws -> Bool {
        guard store.kind == .sqlite else { return try await store.cutConnection() }
        guard lock == nil else { return false }
        lock = Task {
            defer { Task { self.unlocked() } }
            let file = try DatabaseQueue(path: store.location)
            try await file.writeWithoutTransaction { db in
                try db.execute(sql: "PRAGMA wal_autocheckpoint = 0; PRAGMA busy_timeout = 1000")
                try db.beginTransaction(.exclusive)
                usleep(UInt32(length / .milliseconds(1)) * 1000)
                try db.rollback()
            }
        }
        return true
    }

    private func unlocked() { lock = nil }

    /// Lets go on what is over, and starts workers anew.
    private func look(isLate: Bool) async throws {
        for (worker, until) in stopped where until <= .now { worker.child.thaw() }
        stopped.removeAll { $0.until <= .now }
        if let until = fullUntil, until <= .now {
            try disk?.free()
            fullUntil = nil
        }
        for place in 0..<night.workers where !isOver[place] {
            guard let ending = await crew.workers[place].child.endedNow() else { continue }
            // A supervisor waits a moment; the disk may still be full.
            guard ending == .code(0) || isLate || fullUntil == nil else { continue }
            endings["\(ending)", default: 0] += 1
            if ending == .code(0) {
                isOver[place] = true
            } else {
                try await crew.replace(place)
            }
        }
    }
}
