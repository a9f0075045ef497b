internal import FoundationEssentials
internal import Glibc

/// The folder of the entries, shared by any number of processes. Entries come and go whole: a new one is
/// renamed into place, and never written to again.
struct FrameCacheFolder: Sendable {
    let path: String
    /// Bytes of all entries together. Files that are being written come on top, one a process.
    let limit: Int64
    /// Bytes of the file system that are left to others.
    let reserve: Int64

    static let entrySuffix = ".frames"
    private static let partialSuffix = ".partial"
    /// The longest wait for another process that makes room.
    private static let patience = Duration.seconds(1)

    struct Failure: Error { let text: String }

    /// Adds or replaces an entry, after deleting the least recently used ones where there is no room. What
    /// is larger than the limit is not kept, nor anything while another process holds on to the lock.
    func add(_ parts: [[UInt8]], as name: String) throws(Failure) {
        let size = parts.reduce(Int64(0)) { $0 + Int64($1.count) }
        guard size <= limit else { return }
        try makeFolder()
        let hasRoom = try locked { () throws(Failure) in
            try makeRoom(size, for: name, writing: size)
        }
        guard hasRoom else { return }
        let partial = "\(path)/\(getpid())-\(UInt64.random(in: 0 ... .max))\(Self.partialSuffix)"
        let descriptor = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system("cannot be written") }
        defer { close(descriptor) }
        var isPlaced = false
        defer { if !isPlaced { unlink(partial) } }
        // Held as long as this process lives: what is left unlocked has no writer any more.
        flock(descriptor, LOCK_EX | LOCK_NB)
        for part in parts { try write(part, to: descriptor) }
        isPlaced = try locked { () throws(Failure) in
            try makeRoom(size, for: name, writing: 0)
            guard rename(partial, "\(path)/\(name)") == 0 else {
                throw .system("cannot be written")
            }
        }
    }

    private func makeFolder() throws(Failure) {
        var made = path.hasPrefix("/") ? "" : "."
        for name in path.split(separator: "/") {
            made += "/" + name
            guard mkdir(made, 0o700) == 0 || errno == EEXIST else {
                throw .system("cannot be made")
            }
        }
    }

    private func write(_ bytes: [UInt8], to descriptor: Int32) throws(Failure) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress.map { $0 + written }, bytes.count - written)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw .system("cannot be written") }
            written += count
        }
    }

    /// - Returns: false if the lock could not be had and nothing was done. The kernel frees a dead
    ///   process's lock; one that was stopped would otherwise stop all others.
    private func locked(_ body: () throws(Failure) -> Void) throws(Failure) -> Bool {
        let descriptor = open("\(path)/.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system("cannot be locked") }
        defer { close(descriptor) }
        let end = ContinuousClock.now + Self.patience
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR else { throw .system("cannot be locked") }
            if .now >= end { return false }
            usleep(5000)
        }
        try body()
        return true
    }

    private struct Entry {
        let path: String
        let bytes: Int64
        let usedNanoseconds: Int64
    }

    /// - Parameters:
    ///   - name: what will be replaced
    ///   - writing: bytes that are still to come onto the file system
    private func makeRoom(
        _ size: Int64, for name: String, writing: Int64
    ) throws(Failure) {
        var entries = self.entries(besides: name)
            .sorted { ($0.usedNanoseconds, $0.path) < ($1.usedNanoseconds, $1.path) }[...]
        var total = entries.reduce(0) { $0 + $1.bytes }
        while total + size > limit || (freeBytes ?? .max) < reserve + writing {
            guard let oldest = entries.popFirst() else {
                throw Failure(text: "the disk is full, but for \(reserve >> 20) MiB left to others")
            }
            // Who reads it goes on: the file lives as long as it is open.
            unlink(oldest.path)
            total -= oldest.bytes
        }
    }

    /// Also deletes what processes left that were killed while writing.
    private func entries(besides name: String) -> [Entry] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.compactMap { other in
            let path = "\(path)/\(other)"
            var facts = stat()
            guard other != name, lstat(path, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
                return nil
            }
            if other.hasSuffix(Self.partialSuffix) { removeAbandoned(path, facts) }
            guard other.hasSuffix(Self.entrySuffix) else { return nil }
            return Entry(
                path: path, bytes: Int64(facts.st_size),
                usedNanoseconds: Int64(facts.st_mtim.tv_sec) &* 1_000_000_000
                    &+ Int64(facts.st_mtim.tv_nsec))
        }
    }

    private func removeAbandoned(_ path: String, _ facts: stat) {
        // One that was made just now may not have been locked yet.
        guard time(nil) - facts.st_mtim.tv_sec > 2 else { return }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { unlink(path) }
    }

    private var freeBytes: Int64? {
        var facts = statvfs()
        guard statvfs(path, &facts) == 0 else { return nil }
        return Int64(clamping: UInt64(facts.f_bavail) &* UInt64(facts.f_frsize))
    }
}

extension FrameCacheFolder.Failure {
    fileprivate static func system(_ what: String) -> Self {
        Self(text: "\(what): \(RegularFile.errorText())")
    }
}
