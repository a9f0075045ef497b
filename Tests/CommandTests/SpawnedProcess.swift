import Foundation
import Glibc

/// A child process that holds no descriptor of this one but its three streams, and blocks no signal.
///
/// Foundation's `Process` takes a child for running as long as anybody holds a descriptor that it handed
/// down, which any other child does that was started meanwhile: a worker of one test would keep the
/// command of another from ever ending.
final class SpawnedProcess: Sendable {
    let identifier: pid_t

    struct Failed: Error, CustomStringConvertible {
        let description: String
    }

    /// - Parameters:
    ///   - input: path; so are `output` and `errors`, which are written over.
    init(
        _ program: String, _ arguments: [String], environment: [String: String], folder: String,
        input: String, output: String, errors: String
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
        for (stream, path) in [(Int32(1), output), (2, errors)] {
            posix_spawn_file_actions_addopen(&actions, stream, path, O_WRONLY | O_APPEND, 0)
        }
        let open = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        for descriptor in open.compactMap({ Int32($0) }) where descriptor > 2 {
            posix_spawn_file_actions_addclose(&actions, descriptor)
        }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

        // Becomes the program, in the folder.
        let words =
            (["env", "-C", folder, program] + arguments).map { strdup($0) } + [nil]
        let variables = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for word in words + variables { free(word) } }
        var child: pid_t = 0
        let code = posix_spawn(&child, "/usr/bin/env", &actions, &attributes, words, variables)
        guard code == 0 else {
            throw Failed(description: "\(program): \(String(cString: strerror(code)))")
        }
        identifier = child
    }

    var isRunning: Bool {
        guard let text = try? String(contentsOfFile: "/proc/\(identifier)/stat", encoding: .utf8),
            let name = text.lastIndex(of: ")")
        else { return false }
        return !text[name...].hasPrefix(") Z")
    }

    /// - Returns: the exit code, or the number of the signal that ended it
    func waitUntilExit() throws -> Int32 {
        var status: Int32 = 0
        while waitpid(identifier, &status, 0) < 0 {
            guard errno == EINTR else {
                throw Failed(description: "waitpid: \(String(cString: strerror(errno)))")
            }
        }
        return status & 0x7F == 0 ? status >> 8 & 0xFF : status & 0x7F
    }
}
