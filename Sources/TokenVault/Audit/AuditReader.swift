import GRDB
import VaultCore
import VaultCrypto

/// One entry with its exact bytes and, where the owner was not erased, the personal data that belongs to it.
public struct AuditDetail: Sendable {
    public let entry: AuditEntry
    /// As stored and hashed: compact JSON.
    public let leaf: [UInt8]
    /// Opened from outside the tree; nil when there is none or its owner was erased.
    public let personalData: String?
}

extension Vault {
    /// How many entries the log has.
    public func auditSize() throws -> Int64 {
        try store.readers().read { try LogHead.read($0).size }
    }

    /// The C2SP signed note over the newest checkpoint.
    public func auditCheckpoint() throws -> String {
        try store.readers().read { try LogHead.read($0).note }
    }

    /// Up to `limit` entries from index `first` on, oldest first.
    ///
    /// - Throws: ``VaultError/Code/integrity`` when one cannot be read.
    public func auditEntries(from first: Int64 = 0, limit: Int) throws -> [AuditEntry] {
        try auditLeaves(from: first, limit: limit) { leaf, bytes in leaf.entry(of: bytes) }
    }

    /// Up to `limit` entries from index `first` on, oldest first, as the bytes that are stored and hashed.
    ///
    /// - Throws: ``VaultError/Code/integrity`` when one cannot be read.
    public func auditLeaves(from first: Int64 = 0, limit: Int) throws -> [(index: Int64, leaf: [UInt8])] {
        try auditLeaves(from: first, limit: limit) { leaf, bytes in (leaf.index, Array(bytes)) }
    }

    private func auditLeaves<Item>(
        from first: Int64, limit: Int, _ item: (LeafFields, UnsafeRawBufferPointer) -> Item
    ) throws -> [Item] {
        guard limit > 0 else { return [] }
        return try store.readers().read { database in
            var items: [Item] = []
            try StoredLog(database).forEachLeaf(in: first..<max(first, .max)) { leaf, bytes in
                items.append(item(leaf, bytes))
                return items.count < limit
            }
            return items
        }
    }

    /// - Throws: ``VaultError/Code/notFound``, ``VaultError/Code/integrity``.
    public func auditEntry(_ index: Int64) throws -> AuditDetail {
        try snapshot { [registry] database, keys in
            let keyring = keys.keyring
            guard let bytes = try StoredLog(database).leaf(index) else {
                throw VaultError(
                    .notFound, "The log has no entry \(index).", remedy: "See 'tokenvault audit tail'.")
            }
            guard let entry = AuditLeaf.decode(bytes) else { throw StoredLog.unreadable(index) }
            let personal = try PersonalRecord.read(index, database)?.open(database, keyring, registry)
            return AuditDetail(
                entry: entry, leaf: bytes,
                personalData: personal.map {
                    String(decoding: $0.dropFirst(PersonalRecord.saltBytes), as: UTF8.self)
                })
        }
    }
}
