import Glibc

/// A file beside the queue that only takes room: given up when the disk is full, so that answers in
/// hand can still be stored. On a full disk SQLite can not even delete.
struct Ballast: Sendable {
    let path: String
    /// Wanted size; an eighth of the disk at most.
    let bytes: Int64

    init(queue: String, bytes: Int64) {
        path = queue + ".ballast"
        self.bytes = bytes
    }

    /// Size of the file that stands, 0 for none.
    var size: Int64 { ContentIdentity.statistics(path)?.size ?? 0 }

    /// Total and free bytes of the disk that holds `path`, as this user may use them.
    static func room(at path: String) -> (total: Int64, free: Int64)? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        let unit = Int64(status.f_frsize)
        return (Int64(status.f_blocks) * unit, Int64(status.f_bavail) * unit)
    }

    /// Makes the file when there is none and the disk has three times its room. Never throws: a queue
    /// without ballast works, too.
    ///
    /// - Returns: whether it stands now
    @discardableResult
    func make() -> Bool {
        guard bytes > 0, size == 0, let room = Self.room(at: folder) else { return size > 0 }
        let wanted = min(bytes, room.total / 8) / 65536 * 65536
        guard wanted > 0, room.free >= 3 * wanted else { return false }
        // Under another name first: a half-made one must not count as ballast.
        let part = "\(path).\(getpid())"
        let descriptor = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return false }
        let isAllocated = posix_fallocate(descriptor, 0, off_t(wanted)) == 0
        close(descriptor)
        guard isAllocated, rename(part, path) == 0 else {
            unlink(part)
            return false
        }
        return true
    }

    /// - Returns: `false` when there was none
    func free() -> Bool { unlink(path) == 0 }

    private var folder: String {
        path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    }
}
