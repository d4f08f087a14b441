import GRDB
package import VaultCore
import VaultCrypto

extension Vault {
    /// Entries about connections and providers from index `first` on, oldest first; those about anything else
    /// are passed over undecoded. One call looks at ``Limits/followedLeaves`` leaves at most.
    ///
    /// - Returns: each with its provider as the rows are now, nil where they are gone; with `next`, where to look next:
    ///   `first` where the log has not grown.
    /// - Throws: ``VaultError/Code/integrity`` when one cannot be read.
    package func connectionEntries(
        from first: Int64, limit: Int
    ) throws -> (
        entries: [(entry: AuditEntry, provider: ProviderID?, providerName: String?)], next: Int64, isEnd: Bool
    ) {
        let first = max(first, 0)
        return try snapshot { database, keys in
            let keyring = keys.keyring
            let size =
                try database.firstRow("SELECT size FROM audit_head WHERE id = 1") { $0.integer(0) } ?? 0
            guard first < size else { return ([], first, true) }
            let end = min(first + Limits.followedLeaves, size)
            var found: [AuditEntry] = []
            try database.forEachRow(
                Self.connectionLeaves,
                [.integer(first), .integer(end)] + Self.connectionMarks + [.integer(Int64(limit))]
            ) { row in
                guard case .blob(let bytes) = row.value(1), let entry = AuditLeaf.decode(bytes),
                    entry.index == row.integer(0)
                else {
                    throw VaultError(
                        .integrity, "Entry \(row.integer(0)) of the log cannot be read.",
                        remedy: "Run 'tokenvault audit verify'.")
                }
                found.append(entry)
                return true
            }
            let next = found.count == limit ? (found.last?.index ?? first) + 1 : end
            return (try found.map { try database.naming($0, keyring) }, next, next >= size)
        }
    }

    /// Whatever the numbers before it, `op` begins within the first 160 bytes of a leaf, and nothing from outside does.
    private static let connectionLeaves = """
        SELECT id, bytes FROM audit_leaves WHERE id >= ? AND id < ?
        AND (instr(substr(bytes, 1, 160), ?) > 0 OR instr(substr(bytes, 1, 160), ?) > 0) ORDER BY id LIMIT ?
        """
    private static let connectionMarks = ["connection.", "provider."].map {
        SQLValue.blob(Array("\"op\":\"\($0)".utf8))
    }
}

extension Database {
    /// Which provider an entry is about: leaves name the row that changed and no other.
    fileprivate func naming(
        _ entry: AuditEntry, _ keyring: Keyring
    ) throws -> (entry: AuditEntry, provider: ProviderID?, providerName: String?) {
        guard let id = entry.grant else { return (entry, nil, nil) }
        let isProvider = entry.operation.hasPrefix("provider.")
        let provider = isProvider ? ProviderID(id) : try row(ConnectionRow.self, id, keyring)?.provider
        return (
            entry, provider, try provider.flatMap { try row(ProviderRow.self, $0.rawValue, keyring)?.name }
        )
    }

    /// A row that was edited names nobody; who uses it is told, and who follows the log goes on.
    private func row<Row: TypedRow>(_: Row.Type, _ id: Int64, _ keyring: Keyring) throws -> Row? {
        do { return try load(Row.self, id, keyring)?.row } catch let error as VaultError
            where error.code == .integrity
        { return nil }
    }
}
