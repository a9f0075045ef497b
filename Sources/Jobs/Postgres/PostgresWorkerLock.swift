import Foundation
import Glibc

/// Lock files of the workers of this host. The queue itself is elsewhere; so unlike an SQLite queue's
/// they stand in a folder of the host, and their paths in the workers' rows.
enum PostgresWorkerLock {
    static func folder(for queue: String) -> String {
        let runtime = ProcessInfo.processInfo.environment["XDG_RUNTIME_DIR"]
        let base = runtime.flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
        return "\(base)/zipvl-batch-\(getuid())/\(queue)"
    }

    static func take(_ name: String, in folder: String) throws(QueueError) -> FileLock {
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw QueueError(.unavailable, "\(folder): cannot be made: \(error)")
        }
        let path = "\(folder)/\(name).lock"
        guard let lock = try FileLock(path: path) else {
            throw QueueError(.busy, "\(path): held by another worker")
        }
        return lock
    }

    /// Whether the worker of this kernel that wrote this path is alive; `nil` when the file cannot be
    /// looked at. A missing file tells nothing, either: a container of the same kernel may have a
    /// `/tmp` of its own.
    static func isHeld(_ path: String) -> Bool? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var result: Int32
        repeat { result = flock(descriptor, LOCK_EX | LOCK_NB) } while result != 0 && errno == EINTR
        if result == 0 { return false }
        return errno == EWOULDBLOCK ? true : nil
    }
}
