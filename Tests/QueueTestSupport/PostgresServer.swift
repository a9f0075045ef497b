import Foundation
import Glibc

/// A PostgreSQL server for tests: the one that `ZIPVL_TEST_POSTGRES` names (a superuser's URL), or one
/// of this process's own, in a folder of its own, that ends with the process.
package final class PostgresServer: Sendable {
    package struct Missing: Error, CustomStringConvertible {
        package var description: String
    }

    /// URL of the server's database `postgres`.
    package let url: String
    /// Folder of a server that this process started; `nil` for one that was given.
    package let folder: String?
    private let programs: String

    /// One for all tests of the process.
    package static let shared = Result { try PostgresServer() }
    package static var isAvailable: Bool { (try? shared.get()) != nil }
    /// For the condition of a suite.
    package static var reason: Comment {
        switch shared {
        case .success: "a server is there"
        case .failure(let error): "no PostgreSQL server for tests: \(error)"
        }
    }
    package typealias Comment = String

    private convenience init() throws {
        let given = ProcessInfo.processInfo.environment["ZIPVL_TEST_POSTGRES"]
        if let given, !given.isEmpty {
            self.init(url: given, folder: nil, programs: (try? Self.findPrograms()) ?? "")
        } else {
            try self.init(options: "")
        }
    }

    private init(url: String, folder: String?, programs: String) {
        self.url = url
        self.folder = folder
        self.programs = programs
    }

    /// Starts a server on a Unix socket only.
    ///
    /// - Parameter options: further options of the server program, such as `-c max_connections=20`
    package convenience init(options: String) throws {
        let programs = try Self.findPrograms()
        var template = Array("/tmp/zipvl-postgres-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Missing(description: "no temporary folder") }
        let folder = template.withUnsafeBufferPointer {
            $0.baseAddress.map { String(cString: $0) } ?? ""
        }
        if getuid() == 0, let owner = getpwnam("postgres") {
            chown(folder, owner.pointee.pw_uid, owner.pointee.pw_gid)
        }
        self.init(
            url: "postgresql:///postgres?host=\(folder)&user=postgres", folder: folder,
            programs: programs)
        do {
            try run(
                "initdb", "-D", "\(folder)/data", "--encoding=UTF8", "--locale=C", "-A", "trust",
                "-U", "postgres", "--no-sync")
            let settings = """

                listen_addresses = ''
                unix_socket_directories = '\(folder)'
                max_connections = 200
                \(options)

                """
            let file = "\(folder)/data/postgresql.conf"
            let handle = FileHandle(forWritingAtPath: file)
            try handle?.seekToEnd()
            try handle?.write(contentsOf: Data(settings.utf8))
            try handle?.close()
            try start()
        } catch {
            try? FileManager.default.removeItem(atPath: folder)
            throw error
        }
        endWithThisProcess(folder)
    }

    /// `pg_ctl stop -m MODE`: `immediate` is a crash.
    package func stop(_ mode: String) throws {
        guard let folder else { return }
        try run("pg_ctl", "-D", "\(folder)/data", "-w", "-m", mode, "stop")
    }

    package func start() throws {
        guard let folder else { return }
        try run("pg_ctl", "-D", "\(folder)/data", "-w", "-l", "\(folder)/log", "start")
    }

    /// The same server's URL with another database.
    package func url(database: String) -> String {
        guard let scheme = url.firstRange(of: "://") else { return url }
        let rest = url[scheme.upperBound...]
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        let query = rest.firstIndex(of: "?").map { rest[$0...] } ?? ""
        return "\(url[..<scheme.upperBound])\(authority)/\(database)\(query)"
    }

    // MARK: Programs

    private static func findPrograms() throws -> String {
        let paths = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        let root = "/usr/lib/postgresql"
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? [])
            .sorted { (Int($0) ?? 0) > (Int($1) ?? 0) }
        let folders = paths.map(String.init) + versions.map { "\(root)/\($0)/bin" }
        let found = folders.first {
            FileManager.default.isExecutableFile(atPath: "\($0)/initdb")
                && FileManager.default.isExecutableFile(atPath: "\($0)/pg_ctl")
        }
        guard let found else {
            throw Missing(
                description:
                    "neither ZIPVL_TEST_POSTGRES nor initdb and pg_ctl (Debian: postgresql)")
        }
        return found
    }

    /// A server refuses to run as root: then it runs as `postgres`.
    private static var asServer: [String] {
        getuid() == 0 ? ["/usr/sbin/runuser", "-u", "postgres", "--"] : []
    }

    private func run(_ program: String, _ arguments: String...) throws {
        let command = Self.asServer + ["\(programs)/\(program)"] + arguments
        let process = Process()
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        process.currentDirectoryURL = URL(fileURLWithPath: "/tmp")
        // Into a file: a server that stays would keep a pipe open for ever.
        let log = "\(folder ?? "/tmp")/\(program).out"
        _ = FileManager.default.createFile(atPath: log, contents: nil)
        let handle = FileHandle(forWritingAtPath: log)
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            throw Missing(
                description: "\(program) ended with \(process.terminationStatus): \(text)")
        }
    }

    /// A watcher that outlives this process, however it ends, and clears up behind it.
    private func endWithThisProcess(_ folder: String) {
        let stop = (Self.asServer + ["\(programs)/pg_ctl"]).joined(separator: " ")
        let script = """
            while kill -0 \(getpid()) 2>/dev/null; do sleep 1; done
            \(stop) -D \(folder)/data -m immediate stop
            rm -rf \(folder)
            """
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/setsid")
        process.arguments = ["/bin/sh", "-c", script]
        process.currentDirectoryURL = URL(fileURLWithPath: "/tmp")
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try? process.run()
    }
}
