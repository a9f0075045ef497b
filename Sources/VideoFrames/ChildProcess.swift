internal import CFFmpeg
internal import Glibc

/// A running sampling child. Must be used, and ended, by the thread that started it: the kernel kills the
/// child when that thread ends.
struct ChildProcess: ~Copyable {
    let pid: pid_t
    /// Non-blocking socket to the child's standard input and output.
    let socket: Int32
    /// The shared memory that the child writes frames to.
    let memory: Int32

    /// - Throws: the reason as `errno`'s text.
    init(executable: String, arguments: [String]) throws(StartFailure) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw StartFailure(code: errno) }
        // Above the standard descriptors even if the process runs with those closed.
        let theirs = fcntl(ends[1], F_DUPFD_CLOEXEC, 10)
        let ours = fcntl(ends[0], F_DUPFD_CLOEXEC, 10)
        let memory = SharedFrames.create().map { low in
            defer { close(low) }
            return fcntl(low, F_DUPFD_CLOEXEC, 10)
        }
        close(ends[0])
        close(ends[1])
        defer { if theirs >= 0 { close(theirs) } }
        guard theirs >= 0, ours >= 0, let memory, memory >= 0 else {
            let code = errno
            if ours >= 0 { close(ours) }
            if let memory, memory >= 0 { close(memory) }
            throw StartFailure(code: code)
        }
        _ = fcntl(ours, F_SETFL, O_NONBLOCK)
        var pid: pid_t = 0
        let code = Self.spawn(
            &pid, executable: executable, arguments: arguments, socket: theirs, memory: memory)
        guard code == 0 else {
            close(ours)
            close(memory)
            throw StartFailure(code: code)
        }
        self.pid = pid
        socket = ours
        self.memory = memory
    }

    deinit {
        close(socket)
        close(memory)
    }

    struct StartFailure: Error {
        let code: Int32
        var text: String { strerror(code).map { String(cString: $0) } ?? "error \(code)" }
    }

    /// - Returns: the wait status if the child has ended, which also removes it from the process table.
    func reapIfEnded() -> Int32? {
        var status: Int32 = 0
        return waitpid(pid, &status, WNOHANG) == pid ? status : nil
    }

    /// Kills the child and waits for its end.
    func end() -> Int32 {
        kill(pid, SIGKILL)
        return wait()
    }

    func wait() -> Int32 {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        return status
    }

    /// "signal 11 (Segmentation fault)" or "exit status 1".
    static func describe(status: Int32) -> String {
        let signal = status & 0x7F
        guard signal != 0 else { return "exit status \(status >> 8 & 0xFF)" }
        return "signal \(signal) (\(strsignal(signal).map { String(cString: $0) } ?? "unknown"))"
    }

    private static func spawn(
        _ pid: inout pid_t, executable: String, arguments: [String], socket: Int32, memory: Int32
    ) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, socket, 0)
        posix_spawn_file_actions_adddup2(&actions, socket, 1)
        posix_spawn_file_actions_adddup2(&actions, memory, SharedFrames.childDescriptor)
        // Whatever other libraries opened without "close on exec", locks among it, stays with the parent.
        zvl_close_from(&actions, SharedFrames.childDescriptor + 1)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        // A group of its own: an interrupt typed at the terminal goes to the parent only.
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

        var argv = ([executable] + arguments).map { strdup($0) } + [nil]
        var environment = childEnvironment().map { strdup($0) } + [nil]
        defer {
            for pointer in argv + environment { free(pointer) }
        }
        return posix_spawn(&pid, executable, &actions, &attributes, &argv, &environment)
    }

    /// The parent's environment; a crash is reported by the parent, not by a backtrace on the terminal.
    private static func childEnvironment() -> [String] {
        var result = ["SWIFT_BACKTRACE=enable=no"]
        var entry: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> = environ
        while let text = entry.pointee {
            let line = String(cString: text)
            if !line.hasPrefix("SWIFT_BACKTRACE=") { result.append(line) }
            entry += 1
        }
        return result
    }
}
