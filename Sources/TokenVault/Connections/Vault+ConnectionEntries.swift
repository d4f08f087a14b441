import GRDB
package import VaultCore
import VaultCrypto

/// An entry of the log about a connection or a provider.
package struct ConnectionEntry: Sendable {
    package let entry: AuditEntry
    /// As the rows are now; nil where they are gone.
    package let provider: ProviderID?
    package let providerName: String?
}

extension Vault {
    /// Entries about connections and providers from index `first` on, oldest first; those about anything else
    /// are passed over undecoded. One call looks at ``Limits/followedLeaves`` leaves at most.
    ///
    /// - Returns: with `next`, where to look next; `first` where the log has not grown.
    /// - Throws: ``VaultError/Code/integrity`` when one cannot be read.
    package func connectionEntries(
        from first: Int64, limit: Int
    ) throws -> (entries: [ConnectionEntry], next: Int64, isEnd: Bool) {
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
            var names = ProviderNames(database, keyring)
            return (try found.map { try names.named($0) }, next, next >= size)
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

/// Which provider an entry is about: leaves name the row that changed and no other.
private struct ProviderNames {
    private let database: Database
    private let keyring: Keyring
    private var known: [Int64: String?] = [:]

    init(_ database: Database, _ keyring: Keyring) {
        self.database = database
        self.keyring = keyring
    }

    mutating func named(_ entry: AuditEntry) throws -> ConnectionEntry {
        guard let id = entry.grant else {
            return ConnectionEntry(entry: entry, provider: nil, providerName: nil)
        }
        let isProvider = entry.operation.hasPrefix("provider.")
        let provider = isProvider ? ProviderID(id) : try row(ConnectionRow.self, id)?.provider
        return ConnectionEntry(
            entry: entry, provider: provider, providerName: try provider.flatMap { try name(of: $0) })
    }

    private mutating func name(of provider: ProviderID) throws -> String? {
        if let name = known[provider.rawValue] { return name }
        let name = try row(ProviderRow.self, provider.rawValue)?.name
        known[provider.rawValue] = .some(name)
        return name
    }

    /// A row that was edited names nobody; who uses it is told, and who follows the log goes on.
    private func row<Row: TypedRow>(_: Row.Type, _ id: Int64) throws -> Row? {
        do { return try database.load(Row.self, id, keyring)?.row } catch let error as VaultError
            where error.code == .integrity
        { return nil }
    }
}
