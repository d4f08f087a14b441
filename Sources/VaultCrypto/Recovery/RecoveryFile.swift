import CSodium
public import VaultCore

/// The file of a recovery key: one line, `TOKENVAULT-RECOVERY-1 <247 characters of base64url>`.
///
/// ```
///  0 16  vault id       16 32  public key       48 25  parameters of Argon2id, as those of a passphrase keyslot
/// 73 112 the private key wrapped: a key wrap under the file key, epoch 0,
///        AAD: domain "tv.recovery", the vault, owner 1, table, column, row and generation 0
/// file key = BLAKE2b-256(key = Argon2id(passphrase, parameters), personal = "TokenVault.recv1", in = bytes 0 ..< 73)
/// ```
enum RecoveryFile {
    private static let headBytes =
        VaultID.byteCount + SealedBox.publicKeyBytes + PassphraseParameters.byteCount
    private static let line = SecretLine("TOKENVAULT-RECOVERY-1", byteCount: headBytes + KeyWrap.byteCount)
    static let file = SecretFile(noun: "recovery file", limit: line.characterCount + 1)
    private static let personal = Personal("TokenVault.recv1")

    /// The record inside the line; salt and nonce are chosen for format vectors only.
    static func seal(
        _ key: RecoveryKey, to passphrase: SecretBytes, salt: [UInt8], nonce: [UInt8]
    ) throws(VaultError) -> [UInt8] {
        let parameters = PassphraseParameters(salt: salt)
        let head = key.vault.bytes + key.publicKey + parameters.bytes
        let fileKey = try self.fileKey(head, parameters, passphrase)
        return head
            + KeyWrap.wrap(key.privateKey, under: fileKey, epoch: 0, for: place(key.vault), nonce: nonce)
    }

    static func write(_ record: [UInt8], to path: String) throws(VaultError) {
        try unsafe withBuffer(of: record) { record throws(VaultError) in
            try unsafe line.write(record) { text throws(VaultError) in try unsafe file.create(text, at: path)
            }
        }
    }

    static func read(_ path: String) throws(VaultError) -> [UInt8] {
        try unsafe file.read(at: path) { content throws(VaultError) in
            guard let record = try unsafe line.read(content, { unsafe Array($0) }) else {
                throw VaultError(
                    .invalidInput, "\(path) is not a recovery file: no TOKENVAULT-RECOVERY-1 line.",
                    remedy: "Name the file that 'tokenvault key recovery create' wrote.")
            }
            return record
        }
    }

    /// The key in a record, `locked` for another passphrase, `integrity` for what was changed.
    static func open(_ record: [UInt8], with passphrase: SecretBytes) throws(VaultError) -> RecoveryKey {
        let head = Array(record.prefix(headBytes))
        guard record.count == headBytes + KeyWrap.byteCount,
            let vault = VaultID(bytes: Array(head.prefix(16))),
            let parameters = PassphraseParameters(bytes: Array(head.dropFirst(48)))
        else { throw damaged }
        let fileKey = try self.fileKey(head, parameters, passphrase)
        switch KeyWrap.attempt(Array(record.dropFirst(headBytes)), with: fileKey, epoch: 0, for: place(vault))
        {
        case .success(let privateKey):
            let key = RecoveryKey(vault: vault, privateKey: privateKey)
            guard key.publicKey == Array(head[16..<48]) else { throw damaged }
            return key
        case .failure(.anotherKey):
            throw VaultError(
                .locked, "The passphrase does not open this recovery file.",
                remedy: "Give the one that was chosen when the file was made.")
        case .failure: throw damaged
        }
    }

    private static func fileKey(
        _ head: [UInt8], _ parameters: PassphraseParameters, _ passphrase: SecretBytes
    ) throws(VaultError) -> GuardedKey {
        let stretched = try parameters.key(from: passphrase)
        return unsafe GuardedKey { slot in
            unsafe head.withUnsafeBufferPointer { head in
                unsafe BLAKE2b.hash(
                    into: slot, count: GuardedKey.byteCount, head, key: stretched, personal: personal)
            }
        }
    }

    private static func place(_ vault: VaultID) -> AssociatedData {
        AssociatedData(
            domain: "tv.recovery", vault: vault, owner: .system, table: 0, column: 0, row: 0, generation: 0)
    }

    private static let damaged = VaultError(
        .integrity, "The recovery file is not what was written: edited or damaged.",
        remedy: "Use another copy of it.")
}

/// What an array has, as a buffer; the typed errors of `body` pass.
func withBuffer<Result>(
    of bytes: [UInt8], _ body: (UnsafeBufferPointer<UInt8>) throws(VaultError) -> Result
) throws(VaultError) -> Result {
    let outcome = unsafe bytes.withUnsafeBufferPointer { buffer -> Swift.Result<Result, VaultError> in
        do throws(VaultError) { return .success(try unsafe body(buffer)) } catch { return .failure(error) }
    }
    return try outcome.get()
}

extension RecoveryKey {
    /// Reads a recovery file, 0600, and opens it with its passphrase.
    ///
    /// - Throws: `invalidInput` (no such file's content), `locked` (another passphrase), `integrity`, `notFound`,
    ///   `permissionDenied` (others may read it).
    public init(file path: String, passphrase: SecretBytes) throws(VaultError) {
        try Sodium.start()
        self = try RecoveryFile.open(RecoveryFile.read(path), with: passphrase)
    }

    /// Writes the private half, sealed to `passphrase`, into a new file; it is on the disk when this returns.
    package func write(to path: String, passphrase: SecretBytes) throws(VaultError) {
        let random = SystemRandom()
        try write(
            to: path, passphrase: passphrase, salt: random.bytes(16),
            nonce: random.bytes(CommittingRecord.nonceBytes))
    }

    /// The same with everything chosen, for format vectors.
    package func write(
        to path: String, passphrase: SecretBytes, salt: [UInt8], nonce: [UInt8]
    ) throws(VaultError) {
        try RecoveryFile.write(
            RecoveryFile.seal(self, to: passphrase, salt: salt, nonce: nonce), to: path)
    }
}
