import Foundation
import Glibc
import Jobs
import Testing

extension Reliability {
    /// A queue on a disk that fills up at the worst moments.
    @Suite(.serialized) struct DiskFullTests {
        @Test(.timeLimit(.minutes(5)))
        func `an enqueue that the disk does not hold leaves nothing behind`() async throws {
            guard let disk = try SmallDisk(mebibytes: 2, for: "enqueue on a full disk"),
                let store = try await TestStore.make(.sqlite, for: "disk full", at: disk.path)
            else { return }
            let first = try await store.enqueue(0..<10)
            for _ in 0..<Reliability.bound(1, full: 20) {
                // Room for some of the jobs, and not for all.
                try disk.fill(leaving: .random(in: 100...200) << 10)
                let error = await #expect(throws: QueueError.self) {
                    try await store.enqueue(10..<5000)
                }
                #expect(error?.kind == .full, "\(String(describing: error))")
                #expect(try await store.queue.list(JobSelection(), limit: 9).count == 9)
                try disk.free()
                try await store.expectClean()
                let audit = try await Audit(store.queue)
                #expect(Set(audit.jobs.keys) == Set(first), "all or nothing")
            }
            #expect(try await store.enqueue(10..<20).count == 10)
        }

        @Test(.timeLimit(.minutes(5)))
        func `a full disk neither spoils a queue nor leaves half a backup`() async throws {
            guard let disk = try SmallDisk(mebibytes: 2, for: "backup on a full disk"),
                let store = try await TestStore.make(.sqlite, for: "disk full", at: disk.path)
            else { return }
            let jobs = try await store.enqueue(0..<200)
            for round in 0..<Reliability.bound(1, full: 20) {
                try disk.fill(leaving: .random(in: 0...64) << 10)
                // May be able to, or not: what counts is what is left.
                try? await store.queue.maintain()
                let copy = "\(disk.path)/copy-\(round).db"
                let error = await #expect(throws: QueueError.self) {
                    try await store.queue.backup(to: copy)
                }
                #expect(error?.kind == .full, "\(String(describing: error))")
                #expect(!FileManager.default.fileExists(atPath: copy))
                try disk.free()
                try await store.queue.maintain()
                try await store.expectClean()
                #expect(try await store.queue.list(JobSelection(), limit: 999).count == jobs.count)
                try await store.queue.backup(to: copy)
                #expect(try SQLiteQueue(path: copy, readOnly: true).path == copy)
                try FileManager.default.removeItem(atPath: copy)
            }
        }

        /// What there is to keep an answer when the disk is full. Of an SQLite queue's two each must do
        /// alone.
        struct Refuge: CustomTestStringConvertible, Sendable {
            var store: StoreKind
            var hasJournal = true
            var hasBallast = true
            var testDescription: String {
                "\(store)\(hasJournal ? ", journal" : "")\(hasBallast ? ", ballast" : "")"
            }
        }

        static let refuges = [
            Refuge(store: .sqlite), Refuge(store: .sqlite, hasBallast: false),
            Refuge(store: .sqlite, hasJournal: false), Refuge(store: .postgres, hasBallast: false),
        ]

        @Test(.timeLimit(.minutes(10)), arguments: refuges)
        func
            `a worker on a full disk stores what it has, ends with 74, and nothing is computed twice`(
                _ refuge: Refuge
            ) async throws
        {
            let kind = refuge.store
            // An empty database of a server takes 8 MiB.
            let size = kind == .sqlite ? 2 : 24
            guard let disk = try SmallDisk(mebibytes: size, for: "work on a full disk"),
                let store = try await TestStore.make(kind, for: "disk full", at: disk.path)
            else { return }
            let journal = kind == .sqlite ? "queue" : store.folder.file("answers")
            var jobs = 0
            for round in 0..<Reliability.bound(1, full: 20) {
                try await store.enqueue(jobs..<jobs + 4)
                jobs += 4
                // The ballast of so small a disk is 256 KiB: what it leaves is less than this.
                let options =
                    (refuge.hasJournal ? ["--journal", journal] : [])
                    + ["--lease", "30", "--heartbeat", "0.3"]
                    + (kind == .sqlite ? ["--min-free", "320"] : [])
                let worker = try StormProcess(
                    store.location, "starved-\(round)", in: store.folder, milliseconds: 200, options
                )
                try await eventually("a job was begun: \(worker.output)") { worker.inHand != nil }
                if kind == .sqlite {
                    let ballast = store.location + ".ballast"
                    #expect(FileManager.default.fileExists(atPath: ballast))
                    if !refuge.hasBallast { unlink(ballast) }
                }
                try disk.fill(leaving: 0)
                // A server may have room in its files for what is left to do.
                let ending = try await worker.child.ended()
                let isExpected = ending == .code(74) || kind == .postgres && ending == .code(0)
                #expect(isExpected, "\(ending): \(worker.output)")
                try disk.free()
                let next = try StormProcess(
                    store.location, "fed-\(round)", in: store.folder, milliseconds: 1, options)
                #expect(try await next.child.ended() == .code(0), "\(next.output)")
            }
            let audit = try await Audit(store.queue)
            audit.expectAllAnswered(jobs)
            audit.expectStored(store.folder.acknowledged())
            let inferences = store.folder.inferences()
            #expect(inferences.count == jobs)
            #expect(inferences.values.allSatisfy { $0 == 1 }, "\(inferences)")
            try await store.expectClean()
        }
    }
}

/// A filesystem in memory of a few MiB, that a test fills up and frees again. Unmounted when it goes.
final class SmallDisk: Sendable {
    let path: String

    /// - Returns: `nil`, with the reason printed, where nothing can be mounted
    init?(mebibytes: Int, for test: String) throws {
        let path = NSTemporaryDirectory() + "zipvl-disk-\(UUID().uuidString)"
        self.path = path
        guard geteuid() == 0 else {
            Reliability.skip(test, "only root can mount a small filesystem")
            return nil
        }
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        guard mount("none", path, "tmpfs", 0, "size=\(mebibytes)m") == 0 else {
            Reliability.skip(test, "\(path): no mount: \(String(cString: strerror(errno)))")
            rmdir(path)
            return nil
        }
    }

    deinit {
        umount2(path, Int32(MNT_DETACH))
        rmdir(path)
    }

    private var filler: String { "\(path)/filler" }

    /// Takes all space but so many bytes.
    func fill(leaving left: Int) throws {
        let descriptor = open(filler, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw CocoaError(.fileWriteUnknown) }
        defer { close(descriptor) }
        let block = [UInt8](repeating: 0, count: 4096)
        while write(descriptor, block, block.count) == block.count {}
        var facts = stat()
        fstat(descriptor, &facts)
        ftruncate(descriptor, max(0, facts.st_size - left))
    }

    func free() throws { unlink(filler) }
}
