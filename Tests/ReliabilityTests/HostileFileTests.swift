import Foundation
import GRDB
import Glibc
import Jobs
import Schema
import Testing

extension Reliability {
    /// Files that are damaged, somebody else's, or where they must not be: the documented exit code, a
    /// message that names the file and what was found, and nothing of it changed.
    @Suite(.serialized) struct HostileFileTests {
        private let store: TestStore

        init() async throws {
            store = try #require(try await TestStore.make(.sqlite, for: "hostile files"))
            try await store.enqueue(0..<300)
        }

        /// A whole copy of the queue in one file.
        private func copy(_ name: String, _ sql: String = "") throws -> String {
            let path = store.folder.file(name)
            let source = try DatabaseQueue(path: store.location)
            try source.vacuum(into: path)
            // The journal mode that VACUUM INTO leaves is another one.
            let copy = try DatabaseQueue(path: path)
            try copy.writeWithoutTransaction { db in
                try db.execute(sql: "PRAGMA journal_mode = WAL; \(sql)")
            }
            try copy.close()
            return path
        }

        private struct Ended {
            var ending: Child.Ending
            var output: String
        }

        private func zipvl(
            _ queue: String, _ arguments: [String], wrapper: [String] = []
        ) async throws -> Ended {
            let run = try CommandRun(
                ["--queue", queue] + arguments, in: store.folder, wrapper: wrapper)
            let ending = try await run.child.ended(within: .seconds(40))
            return Ended(ending: ending, output: run.output)
        }

        /// A reader and a writer of the command line, and a worker.
        private func expectRefused(
            _ queue: String, _ code: Int32, _ words: [String],
            location: SourceLocation = #_sourceLocation
        ) async throws {
            for arguments in [["status"], ["cancel", "--state", "queued"]] {
                let ended = try await zipvl(queue, arguments)
                #expect(
                    ended.ending == .code(code), "\(arguments): \(ended.output)",
                    sourceLocation: location)
                for word in words + [queue] {
                    #expect(
                        ended.output.contains(word), "\(arguments): \(ended.output)",
                        sourceLocation: location)
                }
            }
            let worker = try StormProcess(queue, "worker-\(code)-\(words)", in: store.folder)
            #expect(
                try await worker.child.ended() == .code(code), "\(worker.output)",
                sourceLocation: location)
        }

        private func bytes(_ path: String) -> Data? { FileManager.default.contents(atPath: path) }

        @Test func `another program's database is refused with 78 and not changed`() async throws {
            let path = try copy("foreign.db", "PRAGMA application_id = 7")
            let before = bytes(path)
            try await expectRefused(path, 78, ["0x7", "0x5A56424A"])
            #expect(bytes(path) == before)
        }

        @Test func `a newer schema is refused with 78 and not changed`() async throws {
            let path = try copy("newer.db", "PRAGMA user_version = 99")
            let before = bytes(path)
            try await expectRefused(path, 78, ["99", "\(Schema.sqlite.count)"])
            #expect(bytes(path) == before)
        }

        @Test func `a file that is no database is refused with 78 and not changed`() async throws {
            let path = store.folder.file("video.mp4")
            let data = Data(String(repeating: "not a database ", count: 500).utf8)
            try data.write(to: URL(fileURLWithPath: path))
            try await expectRefused(path, 78, ["SQLite"])
            #expect(bytes(path) == data)
        }

        @Test func `damaged pages end with 76`() async throws {
            let path = try copy("damaged.db")
            let handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
            // All but the first page, which makes it a queue of this version.
            let size = try handle.seekToEnd()
            try handle.seek(toOffset: 4096)
            try handle.write(contentsOf: Data(repeating: 0xAA, count: Int(size) - 4096))
            try handle.close()
            try await expectRefused(path, 76, [])
        }

        @Test(.enabled(if: getuid() == 0, "only root can mount a filesystem read-only"))
        func `a read-only file can be told from a broken one`() async throws {
            let path = try copy("still.db")
            let folder = store.folder.file("mount")
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
            // In a mount namespace of its own.
            let wrapper = [
                "/usr/bin/env", "unshare", "-m", "sh", "-c",
                """
                mount --make-rprivate / && mount -t tmpfs none "$1" && cp "$2" "$1/queue.db" &&
                mount -o remount,ro "$1" || exit 99
                shift 2; exec "$@"
                """, "sh", folder, path,
            ]
            for arguments in [["status"], ["cancel", "--state", "queued"]] {
                let ended = try await zipvl("\(folder)/queue.db", arguments, wrapper: wrapper)
                guard ended.ending != .code(99) else {
                    return Reliability.skip("read-only file", "mounting is not allowed here")
                }
                print("read-only, \(arguments[0]): \(ended.ending): \(ended.output)")
                if arguments == ["status"], ended.ending == .code(0) { continue }
                #expect(
                    [.code(69), .code(74), .code(78)].contains(ended.ending), "\(ended.output)")
                #expect(ended.output.contains("\(folder)/queue.db"))
            }
        }

        private static let mounts = """
            /dev/sda1 / ext4 rw 0 0
            server:/export / nfs4 rw 0 0
            proc /proc proc rw 0 0

            """

        @Test func `a network filesystem is refused by name, with the way out`() throws {
            var environment = QueueEnvironment()
            environment.mounts = { Self.mounts }
            let error = #expect(throws: QueueError.self) { [environment] in
                _ = try SQLiteQueue(path: store.location, environment: environment)
            }
            #expect(error?.kind == .incompatible)
            for word in [store.location, "nfs4", "postgresql://"] {
                #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
            }
        }

        @Test(.enabled(if: getuid() == 0, "only root can give a process another /proc/mounts"))
        func `the program ends with 78 on a network filesystem`() async throws {
            let fake = store.folder.file("mounts")
            try Self.mounts.write(toFile: fake, atomically: true, encoding: .utf8)
            let wrapper = [
                "/usr/bin/env", "unshare", "-m", "sh", "-c",
                """
                mount --make-rprivate / && mount --bind "$1" /proc/$$/mounts || exit 99
                shift; exec "$@"
                """, "sh", fake,
            ]
            for arguments in [["status"], ["cancel", "--state", "queued"]] {
                let ended = try await zipvl(store.location, arguments, wrapper: wrapper)
                guard ended.ending != .code(99) else {
                    return Reliability.skip("network filesystem", "mounting is not allowed here")
                }
                #expect(ended.ending == .code(78), "\(ended.output)")
                #expect(ended.output.contains("nfs4") && ended.output.contains("postgresql://"))
            }
        }
    }
}
