import Foundation
import GRDB

/// Which SQLite libraries may checkpoint on their own.
///
/// Releases up to 3.51.2 have the "WAL-reset" fault: a passive checkpoint that races with a writer
/// that restarts the log can lose committed transactions. Several workers on one file are the
/// trigger, so with such a library nothing checkpoints but `GuardedCheckpoint`.
package enum SQLiteSafety {
    /// `version` as `sqlite3_libversion_number()` gives it: 3 040 001 for 3.40.1.
    package static func isWALResetFixed(version: Int32) -> Bool {
        version >= 3_051_003 || (3_050_007...3_050_999).contains(version)
            || (3_044_006...3_044_999).contains(version)
    }

    /// Version number of the library that is linked.
    package static var version: Int32 { Database.sqliteLibVersionNumber }

    /// "3.40.1"
    package static var versionName: String {
        "\(version / 1_000_000).\(version / 1000 % 1000).\(version % 1000)"
    }

    /// Whether a person said that this build carries the fix (a distribution's own patch).
    package static var isMarkedFixed: Bool {
        ProcessInfo.processInfo.environment["ZIPVL_SQLITE_WAL_FIXED"] == "1"
    }

    /// Whether checkpoints need the guard with the linked library.
    package static var needsGuard: Bool { !isWALResetFixed(version: version) && !isMarkedFixed }
}
