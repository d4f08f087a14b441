/// One numbered step of the schema ledger. A landed step never changes: its checksum is kept in every vault.
package struct Migration: Sendable {
    package let version: Int
    package let sql: String

    /// All steps, in order. `Migrations/` holds their text, embedded at build time.
    package static let all = [
        Migration(version: 1, bytes: PackageResources.V0001_create_vault_sql)
    ]

    package init(version: Int, sql: String) {
        self.version = version
        self.sql = sql
    }

    private init(version: Int, bytes: [UInt8]) {
        self.init(version: version, sql: String(decoding: bytes, as: UTF8.self))
    }
}
