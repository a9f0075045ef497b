import Glibc
import Synchronization

/// A log file to which lines are appended and which somebody else may move away.
final class ReopenableFile: Sendable {
    private let path: String
    private let descriptor: Mutex<Int32>

    /// - Throws: `OutputError`
    init(_ path: String) throws {
        self.path = path
        let opened = Self.open(path)
        guard opened >= 0 else {
            throw OutputError(
                description: "\(path): cannot be written: \(String(cString: strerror(errno)))")
        }
        descriptor = Mutex(opened)
    }

    deinit { _ = descriptor.withLock { close($0) } }

    /// Appends a line in one call, so that processes that share the file do not mix theirs.
    var write: @Sendable (String) -> Void {
        { [self] line in
            let bytes = Array((line + "\n").utf8)
            descriptor.withLock { _ = Glibc.write($0, bytes, bytes.count) }
        }
    }

    /// Goes on in a new file of the same name, if one can be made.
    func reopen() {
        let opened = Self.open(path)
        guard opened >= 0 else { return }
        descriptor.withLock { descriptor in
            close(descriptor)
            descriptor = opened
        }
    }

    private static func open(_ path: String) -> Int32 {
        Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
    }
}
