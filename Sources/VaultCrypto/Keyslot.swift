package import VaultCore

/// One stored keyslot: the columns of its row, opaque to everything above this module.
package struct KeyslotRecord: Sendable, Equatable {
    package static let idBytes = 16
    /// 16 random bytes.
    package let id: [UInt8]
    package let kind: KeyslotKind
    /// The epoch of the key inside.
    package let epoch: UInt32
    package let parameters: [UInt8]
    package let wrapped: [UInt8]
    /// 0: the root key is inside; else the key of the role of this number.
    package let role: UInt16

    package init(
        id: [UInt8], kind: KeyslotKind, epoch: UInt32, parameters: [UInt8], wrapped: [UInt8],
        role: UInt16 = 0
    ) {
        self.id = id
        self.kind = kind
        self.epoch = epoch
        self.parameters = parameters
        self.wrapped = wrapped
        self.role = role
    }
}

/// Wraps the root key, or the key of one role, for one holder, and unwraps it again.
///
/// ```
/// input key = what the source gives: see the extension below                                    32 bytes
/// slot key  = BLAKE2b-256(key = input key, personal = "TokenVault.slot1",
///                         in = kind 1 ‖ vault id 16 ‖ slot id 16 ‖ BE16(len parameters) ‖ parameters)
/// wrapped   = KeyWrap(root key, under slot key, epoch of the root key,
///                     AAD: domain "tv.keyslot", owner 1, table and row 0, column = role, generation = epoch)
/// ```
package enum Keyslot {
    private static let personal = Personal("TokenVault.slot1")

    /// A new slot with a random id. It counts only once ``unlock(_:with:vault:)`` with what its holder will
    /// use has opened it.
    ///
    /// Errors: those of the source (``KeySource``), `.invalidInput` for a passphrase that is empty or too
    /// long.
    package static func create(
        _ source: KeySource, wrapping root: GuardedKey, epoch: UInt32, vault: VaultID, role: UInt16 = 0
    ) throws(VaultError) -> KeyslotRecord {
        try Sodium.start()
        let id = SystemRandom().bytes(KeyslotRecord.idBytes)
        let new = try newParameters(for: source, vault: vault, slot: id)
        return try create(
            source, wrapping: root, epoch: epoch, vault: vault, id: id, parameters: new.parameters,
            inputKey: new.inputKey, nonce: nil, role: role)
    }

    /// The same with everything chosen, for format vectors.
    ///
    /// - Parameters:
    ///   - inputKey: nil takes what `source` gives.
    ///   - nonce: nil draws one.
    @_spi(ChosenNonce) public static func create(
        _ source: KeySource, wrapping root: GuardedKey, epoch: UInt32, vault: VaultID, id: [UInt8],
        parameters: [UInt8], inputKey: GuardedKey? = nil, nonce: [UInt8]?, role: UInt16 = 0
    ) throws(VaultError) -> KeyslotRecord {
        precondition(id.count == KeyslotRecord.idBytes, "a keyslot id has 16 bytes")
        let blank = KeyslotRecord(
            id: id, kind: source.kind, epoch: epoch, parameters: parameters, wrapped: [], role: role)
        let inputKey =
            if let inputKey { inputKey } else { try self.inputKey(of: blank, from: source, vault: vault) }
        let slotKey = slotKey(of: blank, inputKey, vault: vault)
        return fill(blank, with: root, epoch: epoch, under: slotKey, vault: vault, nonce: nonce)
    }

    /// The root key. `.locked` when `source` is not what this slot was made with (a slot whose nonce or
    /// commitment was changed looks the same), `.integrity` when the slot cannot be one of ours or its
    /// content was changed.
    package static func open(
        _ record: KeyslotRecord, with source: KeySource, vault: VaultID
    ) throws(VaultError) -> GuardedKey {
        try unlock(record, with: source, vault: vault).root
    }

    /// The root key, and the key of the slot, which opens it again without its source; errors as of
    /// ``open(_:with:vault:)``.
    package static func unlock(
        _ record: KeyslotRecord, with source: KeySource, vault: VaultID
    ) throws(VaultError) -> (root: GuardedKey, slotKey: GuardedKey) {
        try Sodium.start()
        guard accepts(source, record) else { throw locked(record) }
        try checkShape(of: record)
        let inputKey = try inputKey(of: record, from: source, vault: vault)
        let slotKey = slotKey(of: record, inputKey, vault: vault)
        return (try open(record, slotKey: slotKey, vault: vault), slotKey)
    }

    /// The root key, by the key of the slot; errors as of ``open(_:with:vault:)``.
    package static func open(
        _ record: KeyslotRecord, slotKey: GuardedKey, vault: VaultID
    ) throws(VaultError) -> GuardedKey {
        try checkShape(of: record)
        switch KeyWrap.attempt(
            record.wrapped, with: slotKey, epoch: record.epoch, for: place(vault, record.role, record.epoch))
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

    /// `record` with `root` inside.
    static func fill(
        _ record: KeyslotRecord, with root: GuardedKey, epoch: UInt32, under slotKey: GuardedKey,
        vault: VaultID, nonce: [UInt8]? = nil
    ) -> KeyslotRecord {
        KeyslotRecord(
            id: record.id, kind: record.kind, epoch: epoch, parameters: record.parameters,
            wrapped: KeyWrap.wrap(
                root, under: slotKey, epoch: epoch, for: place(vault, record.role, epoch), nonce: nonce),
            role: record.role)
    }

    static func slotKey(of record: KeyslotRecord, _ inputKey: GuardedKey, vault: VaultID) -> GuardedKey {
        var input: [UInt8] = [UInt8(truncatingIfNeeded: record.kind.rawValue)]
        input += vault.bytes
        input += record.id
        input.append(bigEndian: UInt16(truncatingIfNeeded: record.parameters.count))
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
    private static func place(_ vault: VaultID, _ role: UInt16, _ epoch: UInt32) -> AssociatedData {
        AssociatedData(
            domain: "tv.keyslot", vault: vault, owner: .system, table: 0, column: role, row: 0,
            generation: UInt64(epoch))
    }

    static func locked(_ record: KeyslotRecord) -> VaultError {
        VaultError(
            .locked, "The supplied key does not open keyslot \(Hex.encode(record.id)).",
            remedy: "Give the \(record.kind.noun) that this slot was made with.")
    }

    static func malformed(_ record: KeyslotRecord) -> VaultError {
        VaultError(
            .integrity, "Keyslot \(Hex.encode(record.id)) differs from what was written: edited or damaged.",
            remedy: "Open the vault by another keyslot, or restore it from a backup.")
    }
}

/// What each kind of slot keeps in its parameters, and the 32 bytes that its source and those give.
///
/// ```
/// kind                        parameters                                  input key
/// 1 key file, 3 credential    none                                        content of the file
/// 2 passphrase                25, see PassphraseParameters                Argon2id(passphrase, parameters)
/// 4 recovery key              0x01 ‖ public key 32 ‖ sealed box 80        what is in the box
/// 6 program, provider         0x01 ‖ blob, 1 to 4096 bytes                what it unwraps from the blob
/// ```
extension Keyslot {
    private static let version: UInt8 = 1

    /// The parameters of a new slot, and its input key where that is drawn rather than given by the source.
    static func newParameters(
        for source: KeySource, vault: VaultID, slot: [UInt8]
    ) throws(VaultError) -> (parameters: [UInt8], inputKey: GuardedKey?) {
        switch source {
        case .keyFile, .heldKey, .systemdCredential: return ([], nil)
        case .passphrase:
            return (PassphraseParameters(salt: SystemRandom().bytes(16)).bytes, nil)
        case .recoveryKey(let key):
            let inputKey = GuardedKey.random()
            return (try recoveryParameters(inputKey, to: key.publicKey), inputKey)
        case .program(let program):
            let inputKey = GuardedKey.random()
            return ([version] + (try program.wrap(inputKey, vault: vault, slot: slot)), inputKey)
        case .provider(let provider, let deadline):
            let inputKey = GuardedKey.random()
            let wrapped = try PatientProvider(provider: provider, deadline: deadline)
                .wrap(inputKey, vault: vault, slot: slot)
            return ([version] + wrapped, inputKey)
        }
    }

    static func inputKey(
        of record: KeyslotRecord, from source: KeySource, vault: VaultID
    ) throws(VaultError) -> GuardedKey {
        let parameters = record.parameters
        switch source {
        case .keyFile(let path):
            guard parameters.isEmpty else { throw malformed(record) }
            return try KeyFile.read(at: path, isCredential: false)
        case .heldKey(let held):
            guard parameters.isEmpty else { throw malformed(record) }
            return held.key
        case .systemdCredential(let name):
            guard parameters.isEmpty else { throw malformed(record) }
            return try KeyFile.readCredential(named: name)
        case .passphrase(let passphrase):
            guard let cost = PassphraseParameters(bytes: parameters) else { throw malformed(record) }
            return try cost.key(from: passphrase)
        case .recoveryKey(let key):
            return try openBox(of: record, with: key)
        case .program(let program):
            return try program.unwrap(wrappedKey(in: record), vault: vault, slot: record.id)
        case .provider(let provider, let deadline):
            return try PatientProvider(provider: provider, deadline: deadline)
                .unwrap(wrappedKey(in: record), vault: vault, slot: record.id)
        }
    }

    /// What a program or provider gave for the slot to keep.
    private static func wrappedKey(in record: KeyslotRecord) throws(VaultError) -> [UInt8] {
        let parameters = record.parameters
        guard (2...1 + Limits.keyProgramBlobBytes).contains(parameters.count), parameters[0] == version
        else { throw malformed(record) }
        return Array(parameters.dropFirst())
    }

    /// - Parameter ephemeral: chosen for format vectors only.
    @_spi(ChosenNonce) public static func recoveryParameters(
        _ inputKey: GuardedKey, to publicKey: [UInt8], ephemeral: GuardedKey = .random()
    ) throws(VaultError) -> [UInt8] {
        guard let box = SealedBox.seal(inputKey, to: publicKey, ephemeral: ephemeral) else {
            throw VaultError(.integrity, "The recovery slot holds an invalid X25519 public key.")
        }
        return [version] + publicKey + box
    }

    /// The public key that a recovery slot is sealed to.
    static func recoveryPublicKey(of record: KeyslotRecord) throws(VaultError) -> [UInt8] {
        let parameters = record.parameters
        guard record.kind == .recoveryKey, parameters.first == version,
            parameters.count == 1 + SealedBox.publicKeyBytes + SealedBox.byteCount
        else { throw malformed(record) }
        return Array(parameters[1...SealedBox.publicKeyBytes])
    }

    private static func openBox(
        of record: KeyslotRecord, with key: RecoveryKey
    ) throws(VaultError) -> GuardedKey {
        let publicKey = try recoveryPublicKey(of: record)
        guard key.publicKey == publicKey else { throw locked(record) }
        let box = Array(record.parameters.dropFirst(1 + SealedBox.publicKeyBytes))
        guard let inputKey = SealedBox.open(box, publicKey: publicKey, privateKey: key.privateKey) else {
            throw malformed(record)
        }
        return inputKey
    }
}

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
    /// libsodium, as the private key is not here.
    ///
    /// - Throws: `integrity` when `record` is no recovery slot.
    package static func reseal(
        _ record: KeyslotRecord, root: GuardedKey, epoch: UInt32, vault: VaultID
    ) throws(VaultError) -> KeyslotRecord {
        try Sodium.start()
        let inputKey = GuardedKey.random()
        let parameters = try recoveryParameters(inputKey, to: recoveryPublicKey(of: record))
        let blank = KeyslotRecord(
            id: record.id, kind: record.kind, epoch: epoch, parameters: parameters, wrapped: [],
            role: record.role)
        return try proved(blank, root, epoch, slotKey(of: blank, inputKey, vault: vault), vault)
    }

    /// What a rotation holds of a recovery slot, in the place of its key: a digest of its public half.
    ///
    /// - Throws: `integrity` when `record` is no recovery slot.
    package static func heldRecoveryKey(of record: KeyslotRecord) throws(VaultError) -> GuardedKey {
        let digest = SHA256.hash(try recoveryPublicKey(of: record)).bytes
        return unsafe GuardedKey { slot in
            for (index, byte) in digest.enumerated() { unsafe slot[index] = byte }
        }
    }

    /// What a recovery slot is sealed to, in short; nil for other kinds and for what cannot be one.
    package static func recoveryKeyID(of record: KeyslotRecord) -> String? {
        (try? recoveryPublicKey(of: record)).map(RecoveryKey.id(of:))
    }

    private static func proved(
        _ record: KeyslotRecord, _ root: GuardedKey, _ epoch: UInt32, _ slotKey: GuardedKey, _ vault: VaultID
    ) throws(VaultError) -> KeyslotRecord {
        let filled = fill(record, with: root, epoch: epoch, under: slotKey, vault: vault)
        guard try open(filled, slotKey: slotKey, vault: vault).isEqual(to: root) else {
            throw VaultError(.internalError, "A keyslot that was just written does not open.")
        }
        return filled
    }
}
