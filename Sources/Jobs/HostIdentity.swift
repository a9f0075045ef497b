import Foundation
import Glibc

/// Which kernel this process runs on: only there can it tell by a lock whether a worker lives.
package struct HostIdentity: Sendable, Hashable {
    package var host: String
    /// Changes with every boot; empty when the system does not say.
    package var bootID: String

    package init(host: String, bootID: String) {
        self.host = host
        self.bootID = bootID
    }

    package static let current = HostIdentity(
        host: ProcessInfo.processInfo.hostName,
        bootID: (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8))?
            .trimmingCharacters(in: .whitespacesAndNewlines) ?? "")
}

extension WorkerInfo {
    /// This process as a worker on `device` (`cpu`, `cuda:0` …).
    package static func current(device: String, version: String) -> WorkerInfo {
        WorkerInfo(
            host: HostIdentity.current.host, bootID: HostIdentity.current.bootID, pid: getpid(),
            device: device, version: version)
    }
}
