import Foundation
import Glibc
import Synchronization

/// Stands between a client and a server on Unix sockets, and can fail in ways in which a network does.
package final class PostgresProxy: Sendable {
    package enum Fault: Sendable, Equatable {
        /// The request arrives, what comes back is lost, and the connection with it.
        case loseReply
        /// The request is lost, and the connection with it.
        case loseRequest
        /// From this request on nothing comes through in either direction, and nobody is told.
        case silence
        /// The request arrives and is answered; nothing comes back, and nobody is told.
        case silentReply
    }

    private struct Plan {
        var fault: Fault
        /// In the request; the next one when empty.
        var trigger: [UInt8]
    }

    private let folder: String
    private let listening: Int32
    private let server: String
    private let plan = Mutex<Plan?>(nil)
    private let struck = Mutex(0)

    /// - Parameter server: one on this machine
    package init(to server: PostgresServer) throws {
        var template = Array("/tmp/zipvl-proxy-XXXXXX".utf8CString)
        mkdtemp(&template)
        folder = template.withUnsafeBufferPointer {
            $0.baseAddress.map { String(cString: $0) } ?? ""
        }
        self.server = try server.socket()
        listening = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard Self.address("\(folder)/.s.PGSQL.5432", { bind(listening, $0, $1) }) == 0,
            listen(listening, 16) == 0
        else { throw PostgresServer.Missing(description: "no socket in \(folder)") }
        let thread = Thread { [listening, weak self] in
            while true {
                let client = accept(listening, nil, nil)
                guard client >= 0, let self else { return }
                Thread { self.forward(client) }.start()
            }
        }
        thread.start()
    }

    deinit {
        shutdown(listening, Int32(SHUT_RDWR))
        close(listening)
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// URL of a database by way of this proxy.
    package func url(database: String) -> String {
        "postgresql:///\(database)?host=\(folder)&port=5432&user=postgres"
    }

    /// Strikes once, at the next request that contains this.
    package func arm(_ fault: Fault, at trigger: String = "") {
        plan.withLock { $0 = Plan(fault: fault, trigger: Array(trigger.utf8)) }
    }

    /// How many faults have come about.
    package var count: Int { struck.withLock { $0 } }

    private func fault(at request: [UInt8]) -> Fault? {
        plan.withLock { plan in
            guard let found = plan,
                found.trigger.isEmpty || request.firstRange(of: found.trigger) != nil
            else { return nil }
            plan = nil
            struck.withLock { $0 += 1 }
            return found.fault
        }
    }

    private func forward(_ client: Int32) {
        let server = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer {
            close(client)
            close(server)
        }
        guard Self.address(self.server, { connect(server, $0, $1) }) == 0 else { return }
        var active: Fault?
        while true {
            var ends = [
                pollfd(fd: client, events: Int16(POLLIN), revents: 0),
                pollfd(fd: server, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&ends, 2, -1) > 0 || errno == EINTR else { return }
            if ends[0].revents != 0 {
                guard let request = Self.take(client) else { return }
                if active == nil { active = fault(at: request) }
                if active == .loseRequest { return }
                if active != .silence { Self.send(request, to: server) }
            }
            if ends[1].revents != 0 {
                guard let reply = Self.take(server) else { return }
                switch active {
                case nil: Self.send(reply, to: client)
                case .loseReply: return
                case .loseRequest, .silence, .silentReply: break
                }
            }
        }
    }

    private static func take(_ descriptor: Int32) -> [UInt8]? {
        var block = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(descriptor, &block, block.count)
        return count > 0 ? Array(block[..<count]) : nil
    }

    private static func send(_ bytes: [UInt8], to descriptor: Int32) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    private static func address(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { bytes in
            bytes.copyBytes(from: Array(path.utf8).prefix(bytes.count - 1))
        }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
