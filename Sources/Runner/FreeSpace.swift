import Glibc
import Jobs

/// Room on a filesystem.
package enum FreeSpace {
    /// Bytes that this user may still write there.
    ///
    /// - Returns: `nil` when it cannot be told: the folder is missing or not readable
    package static func bytes(at folder: String) -> Int64? {
        var facts = statvfs()
        guard statvfs(folder, &facts) == 0 else { return nil }
        let bytes = UInt64(facts.f_bavail).multipliedReportingOverflow(by: UInt64(facts.f_frsize))
        return bytes.overflow ? .max : Int64(clamping: bytes.partialValue)
    }

    /// - Returns: what is wrong, when less than `least` bytes are free in one of the folders
    static func shortage(
        _ folders: [String], least: Int64, bytes: (String) -> Int64?
    ) -> QueueError? {
        guard least > 0 else { return nil }
        for folder in folders {
            guard let free = bytes(folder), free < least else { continue }
            return QueueError(
                .full,
                "\(folder): \(free >> 20) MiB free, expected at least \(least >> 20) MiB "
                    + "(--min-free); nothing more is claimed")
        }
        return nil
    }
}
