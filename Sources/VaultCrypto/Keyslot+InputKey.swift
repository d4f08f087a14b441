package import VaultCore

/// What each kind of slot keeps in its parameters, and the 32 bytes that its source and those give.
///
/// ```
/// kind                        parameters                                  input key
/// 1 key file, 3 credential    none                                        content of the file
/// 2 passphrase                25, see PassphraseParameters                Argon2id(passphrase, parameters)
/// 4 recovery key              0x01 ‖ public key 32 ‖ sealed box 80        what is in the box
/// 6 program                   0x01 ‖ blob, 1 to 4096 bytes                what the program unwraps from the blob
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
            guard (2...1 + Limits.keyProgramBlobBytes).contains(parameters.count), parameters[0] == version
            else { throw malformed(record) }
            return try program.unwrap(Array(parameters.dropFirst()), vault: vault, slot: record.id)
        }
    }

    package static func recoveryParameters(
        _ inputKey: GuardedKey, to publicKey: [UInt8], ephemeral: GuardedKey = .random()
    ) throws(VaultError) -> [UInt8] {
        guard let box = SealedBox.seal(inputKey, to: publicKey, ephemeral: ephemeral) else {
            throw VaultError(.integrity, "The public key of a recovery key is none.")
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
