import VaultCore
public import VaultCrypto

extension Vault {
    /// Adds a way to open the vault. The slot counts only once it was opened again by `proof`: what its
    /// holder will use, read anew.
    ///
    /// - Parameters:
    ///   - name: letters, digits, `.`, `_` and `-`, at most 64; nil takes the kind's word.
    ///   - source: what the slot is made for; a key file must exist.
    ///   - proof: `source` itself where nil.
    /// - Throws: ``VaultError/Code/alreadyExists`` (the name), ``VaultError/Code/denied`` (too many slots),
    ///   ``VaultError/Code/locked`` (`proof` is something else than `source`), and what the source meets.
    public func addKeyslot(
        named name: String? = nil, unlockedBy source: KeySource, provedBy proof: KeySource? = nil
    ) async throws -> VaultKeyslot {
        try await addKeyslot(name, source, proof ?? source, .keyslotAdd)
    }

    func addKeyslot(
        _ name: String?, _ source: KeySource, _ proof: KeySource, _ operation: AuditOperation
    ) async throws -> VaultKeyslot {
        if let name { try Self.checkName(name) }
        // Once more when the root key was rotated in between.
        for _ in 0..<3 {
            let (root, epoch) = (keyring.root, keyring.epoch)
            let made = try await BlockingThread.result { [id] in
                try ProvedKeyslot(source, proof, root, epoch, id)
            }
            do {
                return try await write { [operatorActor, unlocker] transaction in
                    guard transaction.keyring.epoch == epoch else { throw Self.rotated }
                    let slot = try transaction.add(made, named: name)
                    var event = AuditEvent(operation, by: operatorActor)
                    event.reason = made.record.kind.word
                    return Audited(slot.shown(unlocker), event)
                }
            } catch let error as VaultError where error == Self.rotated {}
        }
        throw VaultError(
            .busy, "The root key is being rotated again and again.", remedy: "Try again when that is over.")
    }

    private static let rotated = VaultError(.registryChanged, "The root key was rotated meanwhile.")

    /// Notes that the slot by which this vault was opened opens it, and keeps what a rotation will need of it.
    ///
    /// - Parameter isFirstOnly: write nothing when that was noted before.
    @discardableResult
    public func proveOpenedKeyslot(isFirstOnly: Bool = false) async throws -> VaultKeyslot {
        if isFirstOnly, let known = try keyslots().first(where: \.isOpened), known.isRotatable,
            known.provedAt != nil
        {
            return known
        }
        return try await write { [operatorActor, unlocker] transaction in
            let slots = try StoredKeyslot.all(transaction.database, transaction.keyring)
            guard let slot = slots.first(where: { $0.row.record.id == unlocker.slotID }) else {
                throw VaultError(
                    .notFound, "The keyslot by which the vault was opened was removed meanwhile.",
                    remedy: "See 'tokenvault key slot list'.")
            }
            let proved = try transaction.note(slot, openedBy: unlocker.slotKey)
            var event = AuditEvent(.keyslotTest, by: operatorActor)
            event.reason = slot.row.record.kind.word
            return Audited(proved.shown(unlocker), event)
        }
    }

    /// Removes a way to open the vault. Whoever copied its key, and has an older copy of the database, can
    /// still open that copy.
    ///
    /// - Throws: ``VaultError/Code/notFound``, ``VaultError/Code/denied`` for the last slot, and for the one by which
    ///   this vault was opened: a key that stays has to be at hand.
    public func removeKeyslot(named name: String) async throws {
        try await write(.finishing) { [operatorActor, unlocker] transaction in
            let slots = try StoredKeyslot.all(transaction.database, transaction.keyring)
            guard let slot = slots.first(where: { $0.name == name }) else {
                throw VaultError(
                    .notFound, "There is no such keyslot.", remedy: "See 'tokenvault key slot list'.")
            }
            guard slots.count > 1 else {
                throw VaultError(
                    .denied, "This is the only keyslot: without it nobody can open the vault.",
                    remedy: "Add another first: 'tokenvault key slot add'.")
            }
            guard slot.row.record.id != unlocker.slotID else {
                throw VaultError(
                    .denied, "This is the keyslot by which the vault was opened just now.",
                    remedy: "Open the vault with the key of a slot that stays, so that it is sure to open.")
            }
            if slot.details != nil { try transaction.delete(.keyslotDetails, id: slot.row.id) }
            try transaction.delete(.keyslots, id: slot.row.id)
            var event = AuditEvent(.keyslotRemove, by: operatorActor)
            event.reason = slot.row.record.kind.word
            return Audited((), event)
        }
    }

    static func checkName(_ name: String) throws {
        let isPlain = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard isPlain, (1...64).contains(name.utf8.count), name.first != "-" else {
            throw VaultError(
                .invalidInput, "A keyslot's name has 1 to 64 letters, digits, '.', '_' and '-'.",
                remedy: "As in: --name office-safe")
        }
    }
}

/// A slot that was made by one source and opened by another.
struct ProvedKeyslot: Sendable {
    let record: KeyslotRecord
    let slotKey: GuardedKey

    /// Blocks as long as both sources take.
    init(_ source: KeySource, _ proof: KeySource, _ root: GuardedKey, _ epoch: UInt32, _ vault: VaultID)
        throws
    {
        record = try Keyslot.create(source, wrapping: root, epoch: epoch, vault: vault)
        let opened = try Keyslot.unlock(record, with: proof, vault: vault)
        guard opened.root.isEqual(to: root) else {
            throw VaultError(.internalError, "A new keyslot opened to another key.")
        }
        slotKey = opened.slotKey
    }
}
