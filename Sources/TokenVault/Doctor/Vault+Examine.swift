import GRDB
import MerkleLog
import VaultCore
import VaultCrypto

extension Vault {
    /// Rows of each table whose tags the doctor checks; the rest is for `audit verify`.
    public static let examinedRows = 1000

    /// What the doctor can only see with the keys: the signature over the log, and the tags of the rows that
    /// decide. Reads at most ``examinedRows`` of each table; changes nothing.
    public func examine() async -> [DoctorCheck] {
        do {
            return try await BlockingThread.result { [store, keys] in
                try store.withOwnReader { database in
                    let keyring = try keys.keys(for: database).keyring
                    return [Self.signature(database, keyring), Self.tags(database, keyring)]
                }
            }
        } catch {
            return [.failed("rows.readable", error)]
        }
    }

    private static func signature(_ database: Database, _ keyring: Keyring) -> DoctorCheck {
        let id = "log.signature"
        do {
            let head = try LogHead.read(database)
            guard head.isSigned(by: keyring.signer.key) else {
                return .error(
                    id, .integrity, "The head of the log is not signed by this vault's key.",
                    "Run 'tokenvault audit verify', then restore a backup.")
            }
            return .ok(id, "The head is signed by this vault's key.")
        } catch { return .failed(id, error) }
    }

    private static func tags(_ database: Database, _ keyring: Keyring) -> DoctorCheck {
        let id = "rows.tags"
        var checked = 0
        do {
            _ = try VaultRow.read(database, rowKey: keyring.rows)
            for layout in TableLayout.tagged {
                try database.forEachRow(layout.selectSQL + " ORDER BY id DESC LIMIT \(examinedRows)") {
                    cursor in
                    try StoredRow.check(cursor, layout, rowKey: keyring.rows, at: 0)
                    checked += 1
                    return true
                }
            }
            return .ok(id, "\(checked) rows carry the tag that their columns ask for.")
        } catch { return .failed(id, error) }
    }
}
