import Foundation
import Glibc

/// An flock(2) on a file of its own, never on the database: it dies with the process, so that
/// others see at once that its holder is gone. Freed when this value goes.
final class FileLock: Sendable {
    let path: String
    private let descriptor: Int32

    /// Takes the lock, or returns `nil` when somebody holds it.
    ///
    /// - Throws: `QueueError` (`unavailable`) when the file can neither be opened nor made.
    convenience init?(path: String) throws(QueueError) {
        // Without O_CLOEXEC a child of a dead worker would keep the worker's lock.
        let descriptor = open(path, O_RDWR | O_CLOEXEC | O_CREAT, 0o644)
        guard descriptor >= 0 else {
            throw QueueError(
                .unavailable, "\(path): cannot be opened: \(String(cString: strerror(errno)))")
        }
        try self.init(path: path, descriptor: descriptor)
    }

    /// Whether nobody holds the lock; a missing file is free.
    static func isFree(_ path: String) throws(QueueError) -> Bool {
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        if descriptor < 0 && errno == ENOENT { return true }
        guard descriptor >= 0 else {
            throw QueueError(
                .unavailable, "\(path): cannot be opened: \(String(cString: strerror(errno)))")
        }
        return try FileLock(path: path, descriptor: descriptor) != nil
    }

    /// Takes over the descriptor, whatever comes of it.
    private init?(path: String, descriptor: Int32) throws(QueueError) {
        var result: Int32
        repeat { result = flock(descriptor, LOCK_EX | LOCK_NB) } while result != 0 && errno == EINTR
        guard result == 0 else {
            let code = errno
            close(descriptor)
            if code == EWOULDBLOCK { return nil }
            throw QueueError(
                .unavailable, "\(path): cannot be locked: \(String(cString: strerror(code)))")
        }
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Waits for the lock, asking every few milliseconds. Blocks its thread: for opening only.
    static func wait(path: String, seconds: Double) throws(QueueError) -> FileLock {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            if let lock = try FileLock(path: path) { return lock }
            guard ContinuousClock.now < deadline else {
                throw QueueError(.busy, "\(path): still locked after \(seconds) s")
            }
            usleep(5000)
        }
    }
}
