/// The database as numbered SQL files: `sqlite_v001.sql` makes version 1 out of an empty file, each
/// later file makes its version out of the one before.
package enum Schema {
    /// `PRAGMA application_id` of every queue file: "ZVBJ".
    package static let applicationID: Int32 = 0x5A56_424A

    /// One step of the schema. `version` is the file's `PRAGMA user_version` afterwards.
    package struct Migration: Sendable {
        package var version: Int
        package var sql: String

        package init(version: Int, sql: String) {
            self.version = version
            self.sql = sql
        }
    }

    /// All steps for SQLite in ascending order, without gaps, from version 1.
    package static let sqlite = [
        Migration(
            version: 1, sql: String(decoding: PackageResources.sqlite_v001_sql, as: UTF8.self)),
        Migration(
            version: 2, sql: String(decoding: PackageResources.sqlite_v002_sql, as: UTF8.self)),
        Migration(
            version: 3, sql: String(decoding: PackageResources.sqlite_v003_sql, as: UTF8.self)),
        Migration(
            version: 4, sql: String(decoding: PackageResources.sqlite_v004_sql, as: UTF8.self)),
    ]

    /// The same for PostgreSQL, from version 4: its first file makes the whole schema.
    package static let postgres = [
        Migration(
            version: 4, sql: String(decoding: PackageResources.postgres_v004_sql, as: UTF8.self))
    ]
}
