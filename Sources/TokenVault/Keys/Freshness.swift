import MerkleLog
package import VaultCore
import VaultCrypto
import VaultStore

extension Keyring {
    /// What the hash of the vault row has to be.
    ///
    /// - Parameter renewed: the key that is to sum them up from now on; nil: the present one.
    func registryHash(_ roster: Roster, _ stamp: RegistryRevision, renewed: RowSetKey? = nil) -> Digest {
        let sum = renewed.map { roster.sum(under: $0) } ?? roster.sum as Digest
        return (renewed ?? rowSet).mask(sum, nonce: stamp.bytes)
    }

    /// Whether the rows that this keyring was read with are the ones that the vault row counts.
    func fits(_ vault: VaultRow) -> Bool {
        rows.roster.map { registryHash($0.value, vault.stamp) == vault.registryHash } ?? false
    }
}

extension Database {
    /// What speaks against the vault row being the newest, and the rows that it counts being there. An entry that is not
    /// what the log's tree has is for others to find.
    ///
    /// - Parameter keyring: nil leaves out what needs keys.
    /// - Throws: ``VaultError/Code/integrity`` when the vault row is not what was written.
    package func freshness(_ keyring: Keyring?) throws -> [VaultError] {
        let vault = try VaultRow.read(self, rowKey: keyring?.rows)
        var errors: [VaultError] = []
        do {
            if let last = try LastCommit(self).entry(self), last.stamp != vault.stamp.hex {
                errors.append(VaultRow.outdated)
            }
        } catch let error as VaultError where error.code == .integrity {}
        if let keyring {
            let roster = try Roster(self, keyring.rowSet)
            if keyring.registryHash(roster, vault.stamp) != vault.registryHash {
                errors.append(Roster.differs)
            }
        }
        return errors
    }
}
