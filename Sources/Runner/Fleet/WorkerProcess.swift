import Foundation
import Glibc

/// A running worker whose output is read line by line.
struct WorkerProcess {
    let pid: pid_t
    var output: LineReader
    var errors: LineReader

    struct StartFailure: Error, CustomStringConvertible {
        let code: Int32
        var description: String { String(cString: strerror(code)) }
    }

    init(
        executable: String, arguments: [String], environment: [String: String]
    ) throws(StartFailure) {
        var output: [Int32] = [-1, -1]
        var errors: [Int32] = [-1, -1]
        guard pipe(&output) == 0 else { throw StartFailure(code: errno) }
        guard pipe(&errors) == 0 else {
            let code = errno
            output.forEach { close($0) }
            throw StartFailure(code: code)
        }
        var pid: pid_t = 0
        let code = Self.spawn(
            &pid, executable, arguments, environment, output: output[1], errors: errors[1])
        close(output[1])
        close(errors[1])
        self.pid = pid
        self.output = LineReader(output[0])
        self.errors = LineReader(errors[0])
        guard code == 0 else {
            closeStreams()
            throw StartFailure(code: code)
        }
    }

    private static func spawn(
        _ pid: inout pid_t, _ executable: String, _ arguments: [String],
        _ environment: [String: String], output: Int32, errors: Int32
    ) -> Int32 {
        keepDescriptors()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, errors, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        // These are passed on, and must not end a worker that has not come to listen for them: where
        // this process ignores or handles them, a worker begins by ignoring them.
        for number in [SIGHUP, SIGUSR1, SIGUSR2] { sigdelset(&signals, number) }
        posix_spawnattr_setsigdefault(&attributes, &signals)
        // A group of its own: an interrupt typed at the terminal comes by way of the fleet, once.
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        var argv = ([executable] + arguments).map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argv + variables { free(pointer) } }
        return posix_spawn(&pid, executable, &actions, &attributes, &argv, &variables)
    }

    /// Whatever a library opened without "close on exec", a GPU or a lock, stays with this process.
    private static func keepDescriptors() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        for case let descriptor? in names.map({ Int32($0) }) where descriptor > 2 {
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        }
    }

    /// - Returns: the wait status once the process has ended, which also removes it from the process table.
    func reapIfEnded() -> Int32? {
        var status: Int32 = 0
        return waitpid(pid, &status, WNOHANG) == pid ? status : nil
    }

    func closeStreams() {
        close(output.descriptor)
        close(errors.descriptor)
    }
}

/// How a process ended.
enum WorkerEnd: Equatable, CustomStringConvertible {
    case code(Int32)
    case signal(Int32)

    init(status: Int32) {
        let signal = status & 0x7F
        self = signal == 0 ? .code(status >> 8 & 0xFF) : .signal(signal)
    }

    var description: String {
        switch self {
        case .code(let code): "ended with exit code \(code)"
        case .signal(let number):
            "died of signal \(number) (\(strsignal(number).map { String(cString: $0) } ?? "?"))"
        }
    }
}

/// The lines that come out of a pipe.
struct LineReader {
    let descriptor: Int32
    private var pending: [UInt8] = []
    /// A line without an end is given out at this length.
    private static let longest = 1 << 20

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    }

    /// Complete lines that are there now, without their ends.
    mutating func lines() -> [String] {
        var bytes = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(descriptor, &bytes, bytes.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            pending += bytes[0..<count]
        }
        var parts = pending.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        pending = Array(parts.removeLast())
        if pending.count > Self.longest {
            parts.append(pending[...])
            pending = []
        }
        return parts.map { String(decoding: $0, as: UTF8.self) }
    }

    /// What is left when the process has ended.
    mutating func rest() -> [String] {
        let lines = lines()
        defer { pending = [] }
        return pending.isEmpty ? lines : lines + [String(decoding: pending, as: UTF8.self)]
    }
}
