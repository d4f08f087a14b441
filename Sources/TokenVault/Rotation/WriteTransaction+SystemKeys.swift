import GRDB
import VaultCore
import VaultCrypto

extension WriteTransaction {
    /// Makes a new current key for one purpose; the one before stays, retired, for what was made with it.
    ///
    /// - Throws: ``VaultError/Code/denied`` when all 255 ids are taken.
    func replaceSystemKey(_ purpose: SystemKeyPurpose) throws -> SystemKey {
        let rows = try database.loadAll(
            SystemKeyRow.self, where: "purpose = ? ORDER BY id", [.integer(purpose.rawValue)], keyring)
        let taken = Set(rows.map(\.keyID))
        let newest = rows.map(\.keyID).max() ?? 0
        guard
            let keyID = (newest + 1...newest + 255).map({ ($0 - 1) % 255 + 1 }).first(where: {
                !taken.contains($0)
            })
        else {
            throw VaultError(
                .denied, "All 255 keys of this purpose are still in use.",
                remedy: "Wait until what was made with the oldest has expired.")
        }
        for var row in rows where row.state == .current {
            row.state = .retired
            try update(row)
        }
        let key = GuardedKey.random()
        let id = next(\.nextKeyID)
        try insert(
            SystemKeyRow(
                id: id, purpose: purpose, keyID: keyID, state: .current, epoch: Int64(keyring.epoch),
                wrapped: KeyWrap.wrap(
                    key, under: keyring.root, epoch: keyring.epoch,
                    for: Keyring.wrapContext(keyring.vault, systemKey: id)),
                // The end of the one before: not earlier than anything made with that, though the clock was set back.
                createdAt: max(now, committed.lastTime)))
        touchRegistry()
        return SystemKey(
            purpose: purpose, keyID: UInt8(truncatingIfNeeded: keyID), isCurrent: true, key: key)
    }

    /// Destroys retired keys of one purpose that nothing alive was made with.
    ///
    /// - Returns: how many.
    func destroyRetiredKeys(
        _ purpose: SystemKeyPurpose, where isUnused: (SystemKeyRow, VaultInstant) throws -> Bool
    )
        throws -> Int
    {
        let rows = try database.loadAll(
            SystemKeyRow.self, where: "purpose = ? ORDER BY id", [.integer(purpose.rawValue)], keyring)
        var count = 0
        for (row, successor) in zip(rows, rows.dropFirst()) where row.state == .retired {
            guard try isUnused(row, successor.createdAt) else { continue }
            try delete(.systemKeys, id: row.id)
            count += 1
        }
        if count > 0 { touchRegistry() }
        return count
    }

    /// Whether a query finds nothing.
    func isNothing(_ sql: String, _ values: [SQLValue] = []) throws -> Bool {
        try database.firstRow(sql, values) { _ in true } == nil
    }
}
