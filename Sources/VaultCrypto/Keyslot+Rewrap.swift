package import VaultCore

extension Keyslot {
    /// The slot with another root key inside, without its source: by the slot key that a vault holds for
    /// this. The result was opened again before it is returned.
    ///
    /// - Throws: `integrity` when `heldSlotKey` does not open `record`, so that its source would not open the result.
    package static func rewrap(
        _ record: KeyslotRecord, heldSlotKey: GuardedKey, root: GuardedKey, epoch: UInt32, vault: VaultID
    ) throws(VaultError) -> KeyslotRecord {
        do throws(VaultError) {
            _ = try open(record, slotKey: heldSlotKey, vault: vault)
        } catch { throw malformed(record) }
        return try proved(record, root, epoch, heldSlotKey, vault)
    }

    /// A recovery slot with another root key inside, sealed to its public key under a new input key. The
    /// result was opened again by that input key before it is returned; that the box opens is up to
    /// libsodium, as nobody here has the private key.
    ///
    /// - Throws: `integrity` when `record` is no recovery slot.
    package static func reseal(
        _ record: KeyslotRecord, root: GuardedKey, epoch: UInt32, vault: VaultID
    ) throws(VaultError) -> KeyslotRecord {
        try Sodium.start()
        let inputKey = GuardedKey.random()
        let parameters = try recoveryParameters(inputKey, to: recoveryPublicKey(of: record))
        let blank = KeyslotRecord(
            id: record.id, kind: record.kind, epoch: epoch, parameters: parameters, wrapped: [])
        return try proved(blank, root, epoch, slotKey(of: blank, inputKey, vault: vault), vault)
    }

    /// What a recovery slot is sealed to, in short; nil for other kinds and for what cannot be one.
    package static func recoveryKeyID(of record: KeyslotRecord) -> String? {
        (try? recoveryPublicKey(of: record)).map(RecoveryKey.id(of:))
    }

    private static func proved(
        _ record: KeyslotRecord, _ root: GuardedKey, _ epoch: UInt32, _ slotKey: GuardedKey, _ vault: VaultID
    ) throws(VaultError) -> KeyslotRecord {
        let filled = fill(
            record, with: root, epoch: epoch, under: slotKey, vault: vault,
            nonce: SystemRandom().bytes(CommittingRecord.nonceBytes))
        guard try open(filled, slotKey: slotKey, vault: vault).isEqual(to: root) else {
            throw VaultError(.internalError, "A keyslot that was just written does not open.")
        }
        return filled
    }
}
