import GRDB
import VaultCore

/// How long keys have been in use, from rows that need no key to be read.
enum KeyAges {
    /// About when the present root key was made; nil where it cannot be told. The first one is as old as the
    /// vault. A later one is as old as the entry of the log that wrapped the first keyslot under it, so a
    /// slot that was added later makes it look no younger.
    static func root(_ database: Database) throws -> VaultInstant? {
        let made = try database.firstRow("SELECT key_epoch, created_at FROM vault WHERE id = 1") {
            (epoch: $0.integer(0), createdAt: $0.integer(1))
        }
        guard let made else { return nil }
        guard made.epoch > 1 else { return VaultInstant(millisecondsSince1970: made.createdAt) }
        let bytes = try database.firstRow(
            """
            SELECT bytes FROM audit_leaves
            WHERE id = (SELECT min(leaf) FROM keyslots WHERE epoch = ?)
            """, [.integer(made.epoch)]
        ) { $0.value(0) }
        guard case .blob(let leaf)? = bytes else { return nil }
        return AuditLeaf.decode(leaf)?.time
    }
}
