import GRDB
import MerkleLog
import VaultCore
import VaultCrypto

/// What a backup knows of its vault's keys, and so which newer vault may name the key that signs its log.
///
/// Whoever once had the root key has the keys of the keyslots of that time, and can build a vault that the operator's key
/// opens: in an old slot, but in none that the backup has since. And a vault that is older than the backup names a key that
/// was retired, perhaps because it leaked.
struct BackupTrust {
    let vault: VaultID
    /// Identifiers of the backup's keyslots; the key of a slot depends on its own.
    let slots: Set<[UInt8]>
    /// Row of the key that signs the backup's log; later keys have larger numbers.
    let signer: Int64

    init(_ database: Database, _ keyring: Keyring) throws {
        vault = keyring.vault
        slots = Set(try database.loadAll(KeyslotRow.self, where: "id > 0", [], keyring).map(\.record.id))
        signer = try Self.signerRow(database)
    }

    /// Nil for who cannot open the vault, and for what anybody can wrap a key for: a recovery key, a program.
    ///
    /// - Throws: ``VaultError/Code/integrity`` where the vault opens, but not by what the backup vouches for.
    func signingKey(of database: Database, openedBy source: KeySource) throws -> [UInt8]? {
        switch source {
        case .recoveryKey, .program, .heldKey: return nil
        case .keyFile, .passphrase, .systemdCredential: break
        }
        guard let opened = try? open(database, source) else { return nil }
        guard slots.contains(opened.slot) else {
            throw Self.unvouched("It is opened by a keyslot that the backup does not have")
        }
        guard opened.signer >= signer else {
            throw Self.unvouched("Its log's key is older than the backup's")
        }
        return opened.publicKey
    }

    private func open(
        _ database: Database, _ source: KeySource
    ) throws -> (slot: [UInt8], signer: Int64, publicKey: [UInt8])? {
        let row = try VaultRow.read(database, rowKey: nil)
        guard row.id == vault else { return nil }
        let (root, unlocker) = try Unlocking.unlock(database, vault: row, source)
        let keyring = try Keyring.load(database, vault: row, root: root)
        return (unlocker.slotID, try Self.signerRow(database), keyring.signer.key.publicKey)
    }

    /// As ``Keyring`` chooses it.
    private static func signerRow(_ database: Database) throws -> Int64 {
        try database.firstRow(
            "SELECT id FROM system_keys WHERE purpose = ? AND state = ? ORDER BY id LIMIT 1",
            [
                .integer(SystemKeyPurpose.logSigning.rawValue),
                .integer(SystemKeyRow.State.current.rawValue),
            ]
        ) { $0.integer(0) } ?? 0
    }

    private static func unvouched(_ why: String) -> VaultError {
        LaterLog.unproven(
            "\(why), so its own word for the key that signs its log is not taken.",
            remedy:
                "Give that key with --log-verifier-key, as it was kept outside the vault when keys were rotated; "
                + "or no log: every grant is revoked then.")
    }
}
