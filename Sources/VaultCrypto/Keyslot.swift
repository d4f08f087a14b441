package import VaultCore

/// One stored keyslot: the columns of its row, opaque to everything above this module.
package struct KeyslotRecord: Sendable, Equatable {
    package static let idBytes = 16
    /// 16 random bytes.
    package let id: [UInt8]
    package let kind: KeyslotKind
    /// The epoch of the root key inside.
    package let epoch: UInt32
    package let parameters: [UInt8]
    package let wrapped: [UInt8]

    package init(id: [UInt8], kind: KeyslotKind, epoch: UInt32, parameters: [UInt8], wrapped: [UInt8]) {
        self.id = id
        self.kind = kind
        self.epoch = epoch
        self.parameters = parameters
        self.wrapped = wrapped
    }
}

/// A keyslot that was opened: what is inside, and the key that opens it again without its source.
package struct UnlockedKeyslot: Sendable {
    package let root: GuardedKey
    package let slotKey: GuardedKey
}

/// Wraps the root key for one holder, and unwraps it again.
///
/// ```
/// input key = what the source gives: see `Keyslot+InputKey.swift`                             32 bytes
/// slot key  = BLAKE2b-256(key = input key, personal = "TokenVault.slot1",
///                         in = kind 1 ‖ vault id 16 ‖ slot id 16 ‖ BE16(len parameters) ‖ parameters)
/// wrapped   = KeyWrap(root key, under slot key, epoch of the root key,
///                     AAD: domain "tv.keyslot", owner 1, table, column and row 0, generation = epoch)
/// ```
package enum Keyslot {
    private static let personal = Personal("TokenVault.slot1")

    /// A new slot with a random id. It counts only once ``unlock(_:with:vault:)`` with what its holder will
    /// use has opened it.
    ///
    /// Errors: those of the source (``KeySource``), `.invalidInput` for a passphrase that is empty or too
    /// long.
    package static func create(
        _ source: KeySource, wrapping root: GuardedKey, epoch: UInt32, vault: VaultID
    ) throws(VaultError) -> KeyslotRecord {
        try Sodium.start()
        let random = SystemRandom()
        let id = random.bytes(KeyslotRecord.idBytes)
        let new = try newParameters(for: source, vault: vault, slot: id)
        let blank = KeyslotRecord(
            id: id, kind: source.kind, epoch: epoch, parameters: new.parameters, wrapped: [])
        return try fill(
            blank, with: root, epoch: epoch, from: source, new.inputKey, vault: vault,
            nonce: random.bytes(CommittingRecord.nonceBytes))
    }

    /// The same with everything chosen, for format vectors.
    package static func create(
        _ source: KeySource, wrapping root: GuardedKey, epoch: UInt32, vault: VaultID, id: [UInt8],
        parameters: [UInt8], nonce: [UInt8]
    ) throws(VaultError) -> KeyslotRecord {
        precondition(id.count == KeyslotRecord.idBytes, "a keyslot id has 16 bytes")
        let blank = KeyslotRecord(
            id: id, kind: source.kind, epoch: epoch, parameters: parameters, wrapped: [])
        return try fill(
            blank, with: root, epoch: epoch, from: source, nil, vault: vault, nonce: nonce)
    }

    /// The root key. `.locked` when `source` is not what this slot was made with (a slot whose nonce or
    /// commitment was changed looks the same), `.integrity` when the slot cannot be one of ours or its
    /// content was changed.
    package static func open(
        _ record: KeyslotRecord, with source: KeySource, vault: VaultID
    ) throws(VaultError) -> GuardedKey {
        try unlock(record, with: source, vault: vault).root
    }

    /// The root key, and the key of the slot; errors as of ``open(_:with:vault:)``.
    package static func unlock(
        _ record: KeyslotRecord, with source: KeySource, vault: VaultID
    ) throws(VaultError) -> UnlockedKeyslot {
        try Sodium.start()
        guard accepts(source, record) else { throw locked(record) }
        try checkShape(of: record)
        let inputKey = try inputKey(of: record, from: source, vault: vault)
        let slotKey = slotKey(of: record, inputKey, vault: vault)
        return UnlockedKeyslot(
            root: try open(record, slotKey: slotKey, vault: vault), slotKey: slotKey)
    }

    /// The root key, by the key of the slot; errors as of ``open(_:with:vault:)``.
    package static func open(
        _ record: KeyslotRecord, slotKey: GuardedKey, vault: VaultID
    ) throws(VaultError) -> GuardedKey {
        try checkShape(of: record)
        switch KeyWrap.attempt(
            record.wrapped, with: slotKey, epoch: record.epoch, for: place(vault, record.epoch))
        {
        case .success(let root): return root
        case .failure(.anotherKey): throw locked(record)
        case .failure: throw malformed(record)
        }
    }

    /// Whether `source` is of the kind that `record` asks for; says nothing about whether it fits. A key file
    /// and a systemd credential hold the same bytes, so either opens the slot of the other.
    package static func accepts(_ source: KeySource, _ record: KeyslotRecord) -> Bool {
        let holders: Set<KeyslotKind> = [.keyFile, .systemdCredential]
        return source.kind == record.kind || holders.isSuperset(of: [source.kind, record.kind])
    }

    /// Makes a key file with a new random key, readable by its owner alone, on the disk when this returns.
    /// `.alreadyExists` rather than overwriting: the old file may be the only key of a vault.
    package static func createKeyFile(at path: String) throws(VaultError) {
        try Sodium.start()
        try KeyFile.create(.random(), at: path)
    }

    /// `record` with `root` inside, under the input key that was drawn for it, or the one that `source` gives.
    private static func fill(
        _ record: KeyslotRecord, with root: GuardedKey, epoch: UInt32, from source: KeySource,
        _ drawn: GuardedKey?, vault: VaultID, nonce: [UInt8]
    ) throws(VaultError) -> KeyslotRecord {
        let inputKey = if let drawn { drawn } else { try inputKey(of: record, from: source, vault: vault) }
        let slotKey = slotKey(of: record, inputKey, vault: vault)
        return fill(record, with: root, epoch: epoch, under: slotKey, vault: vault, nonce: nonce)
    }

    /// `record` with `root` inside.
    static func fill(
        _ record: KeyslotRecord, with root: GuardedKey, epoch: UInt32, under slotKey: GuardedKey,
        vault: VaultID, nonce: [UInt8]
    ) -> KeyslotRecord {
        KeyslotRecord(
            id: record.id, kind: record.kind, epoch: epoch, parameters: record.parameters,
            wrapped: KeyWrap.wrap(root, under: slotKey, epoch: epoch, for: place(vault, epoch), nonce: nonce))
    }

    static func slotKey(of record: KeyslotRecord, _ inputKey: GuardedKey, vault: VaultID) -> GuardedKey {
        var input: [UInt8] = [UInt8(truncatingIfNeeded: record.kind.rawValue)]
        input += vault.bytes
        input += record.id
        input.appendBigEndian(UInt16(truncatingIfNeeded: record.parameters.count))
        input += record.parameters
        return unsafe GuardedKey { slot in
            unsafe input.withUnsafeBufferPointer { input in
                unsafe BLAKE2b.hash(
                    into: slot, count: GuardedKey.byteCount, input, key: inputKey, personal: personal)
            }
        }
    }

    /// Before anything slow: whether this can be a slot at all.
    private static func checkShape(of record: KeyslotRecord) throws(VaultError) {
        guard record.id.count == KeyslotRecord.idBytes, record.parameters.count <= UInt16.max,
            KeyWrap.epoch(of: record.wrapped) == record.epoch
        else { throw malformed(record) }
    }

    /// A slot belongs to no row but to its vault; its id is in its key.
    private static func place(_ vault: VaultID, _ epoch: UInt32) -> AssociatedData {
        AssociatedData(
            domain: "tv.keyslot", vault: vault, owner: .system, table: 0, column: 0, row: 0,
            generation: UInt64(epoch))
    }

    static func locked(_ record: KeyslotRecord) -> VaultError {
        VaultError(
            .locked, "The key offered does not open keyslot \(Hex.encode(record.id)).",
            remedy: "Offer the \(record.kind.noun) that this slot was made with.")
    }

    static func malformed(_ record: KeyslotRecord) -> VaultError {
        VaultError(
            .integrity, "Keyslot \(Hex.encode(record.id)) is not what was written: edited or damaged.",
            remedy: "Open the vault by another keyslot, or restore it from a backup.")
    }
}
