import Foundation
import Glibc
import Synchronization
import Testing

/// Waits for something to become so, looking every few milliseconds. What a test waits for decides its
/// outcome, never how long that took: the limit only ends a test that would hang.
func eventually(
    _ what: @autoclosure () -> String, within limit: Duration = .seconds(120),
    location: SourceLocation = #_sourceLocation, isolation: isolated (any Actor)? = #isolation,
    _ isSo: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while try await !isSo() {
        guard ContinuousClock.now < end else {
            Issue.record("it never came to this: \(what())", sourceLocation: location)
            throw NeverHappened(what: what())
        }
        try await Task.sleep(for: .milliseconds(3))
    }
}

struct NeverHappened: Error {
    var what: String
}

/// A process of a test, in a process group of its own. Killed with its group when this value goes.
final class Child: Sendable {
    enum Ending: Sendable, Equatable {
        case code(Int32)
        case signal(Int32)
    }

    let pid: pid_t
    private let ending = Mutex<Ending?>(nil)

    /// - Parameter output: file that standard output and standard error go to
    init(
        _ executable: String, _ arguments: [String], environment changes: [String: String] = [:],
        output: String
    ) throws {
        var environment = ProcessInfo.processInfo.environment.merging(changes) { $1 }
        environment["SWIFT_BACKTRACE"] = "enable=no"
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(
            &actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // A descriptor of another test's `Process` would keep that one from ever ending.
        let open = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        for descriptor in open.compactMap({ Int32($0) }) where descriptor > 2 {
            posix_spawn_file_actions_addclose(&actions, descriptor)
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
        var argv = ([executable] + arguments).map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argv + variables { free(pointer) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, executable, &actions, &attributes, &argv, &variables)
        guard code == 0 else {
            throw ChildFailure(description: "\(executable): \(String(cString: strerror(code)))")
        }
        self.pid = pid
    }

    struct ChildFailure: Error, CustomStringConvertible {
        var description: String
    }

    deinit {
        guard endedNow() == nil else { return }
        Glibc.kill(-pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }

    /// How it ended; `nil` while it runs (or is stopped).
    func endedNow() -> Ending? {
        ending.withLock { ending in
            var status: Int32 = 0
            if ending == nil, waitpid(pid, &status, WNOHANG) == pid {
                let signal = status & 0x7F
                ending = signal == 0 ? .code(status >> 8 & 0xFF) : .signal(signal)
            }
            return ending
        }
    }

    var isRunning: Bool { endedNow() == nil }

    /// Sends a signal unless it has ended.
    func signal(_ number: Int32) {
        if isRunning { Glibc.kill(pid, number) }
    }

    /// SIGKILL, and waits for the end.
    ///
    /// - Returns: whether it still ran
    @discardableResult
    func kill() async throws -> Bool {
        signal(SIGKILL)
        return try await ended() == .signal(SIGKILL)
    }

    /// Waits for the end.
    func ended(
        within limit: Duration = .seconds(120), location: SourceLocation = #_sourceLocation
    ) async throws -> Ending {
        var result: Ending?
        try await eventually("process \(pid) ended", within: limit, location: location) {
            result = endedNow()
            return result != nil
        }
        return result ?? .signal(0)
    }

    /// Stops it and waits until the kernel says so.
    func freeze() async throws {
        signal(SIGSTOP)
        try await eventually("process \(pid) stopped") {
            let line = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
            // "pid (name) state ..."; a name may hold anything, also brackets.
            let state = line.split(separator: ")").last?.split(separator: " ").first
            return state == "T" || endedNow() != nil
        }
    }

    func thaw() { signal(SIGCONT) }
}

/// A folder that goes when the test ends.
final class TestFolder: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "zipvl-reliability-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }
}

/// A program of this package; they stand beside the test program.
func builtProgram(_ name: String) throws -> String {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent(name).path
}

/// Processes, also orphans of orphans, whose environment holds a text.
func processes(withEnvironment text: String) -> [pid_t] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { pid_t($0) }.filter { pid in
        guard pid != getpid(),
            let data = FileManager.default.contents(atPath: "/proc/\(pid)/environ")
        else { return false }
        return data.split(separator: 0).contains { $0.elementsEqual(text.utf8) }
    }
}
