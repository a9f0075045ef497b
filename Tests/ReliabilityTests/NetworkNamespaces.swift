import Foundation
import Glibc
import QueueTestSupport

/// Two network namespaces with a link between them; gone with this value.
final class NetworkNamespaces: Sendable {
    let near: String
    let far: String
    /// Address of `near` as `far` sees it.
    let address: String
    private let link: String

    /// - Returns: `nil` where namespaces cannot be made
    init?() throws {
        guard getuid() == 0, access("/run", W_OK) == 0, Self.ip("-V") else { return nil }
        let number = UInt8.random(in: 1...254)
        let name = "zv\(getpid())-\(number)"
        (near, far, link) = ("\(name)a", "\(name)b", "v\(getpid() % 100_000)\(number)")
        address = "10.213.\(number).1"
        guard Self.ip("netns", "add", near) else { return nil }
        let isMade =
            Self.ip("netns", "add", far)
            && Self.ip(
                "link", "add", link, "netns", near, "type", "veth", "peer", "name", link, "netns",
                far)
            && Self.ip("-n", near, "address", "add", "\(address)/24", "dev", link)
            && Self.ip("-n", far, "address", "add", "10.213.\(number).2/24", "dev", link)
            && Self.ip("-n", near, "link", "set", "lo", "up")
            && Self.ip("-n", far, "link", "set", "lo", "up")
            && Self.ip("-n", near, "link", "set", link, "up")
            && Self.ip("-n", far, "link", "set", link, "up")
        guard isMade else { return nil }
    }

    deinit {
        Self.ip("netns", "del", far)
        Self.ip("netns", "del", near)
    }

    /// What is sent from now on goes nowhere, and nobody is told.
    func cut() { Self.ip("-n", near, "link", "set", link, "down") }
    func mend() { Self.ip("-n", near, "link", "set", link, "up") }

    /// Words that start a program in a namespace.
    static func prefix(_ name: String) -> [String] {
        ["/usr/bin/env", "PATH=/usr/sbin:/sbin:/usr/bin:/bin", "ip", "netns", "exec", name]
    }

    /// Runs `body` on a thread of its own in the namespace: processes that it starts are in it, too.
    func inNear<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let thread = Thread { [near] in
                continuation.resume(
                    with: Result {
                        try Self.enter(near)
                        return try body()
                    })
            }
            thread.start()
        }
    }

    /// A server in `near` that lets in whoever comes over the link, to any database, as any user.
    ///
    /// - Parameter options: further lines of its configuration
    func server(_ options: String = "") async throws -> PostgresServer {
        try await inNear {
            let server = try PostgresServer(options: "listen_addresses = '*'\n\(options)")
            let access = "\(server.folder ?? "")/data/pg_hba.conf"
            let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: access))
            try handle.seekToEnd()
            try handle.write(contentsOf: Data("host all all 10.213.0.0/16 trust\n".utf8))
            try handle.close()
            try server.stop("fast")
            try server.start()
            return server
        }
    }

    private static func enter(_ name: String) throws {
        typealias SetNamespace = @convention(c) (Int32, Int32) -> Int32
        let descriptor = open("/run/netns/\(name)", O_RDONLY | O_CLOEXEC)
        defer { close(descriptor) }
        guard let symbol = dlsym(nil, "setns"), descriptor >= 0,
            unsafeBitCast(symbol, to: SetNamespace.self)(descriptor, 0) == 0
        else { throw Child.ChildFailure(description: "\(name): cannot be entered") }
    }

    @discardableResult
    private static func ip(_ arguments: String...) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["PATH=/usr/sbin:/sbin:/usr/bin:/bin", "ip"] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
