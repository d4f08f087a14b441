import CSodium
public import VaultCore

/// An X25519 key pair that opens a vault when all other keys are lost.
///
/// The vault keeps its public half in a keyslot; the private half lies in a file sealed to a passphrase.
///
/// ```swift
/// let key = try RecoveryKey(file: "/media/safe/recovery", passphrase: passphrase)
/// let vault = try await Vault.open(at: path, unlockedBy: .recoveryKey(key))
/// ```
public struct RecoveryKey: Sendable {
    /// The vault it was made for.
    public let vault: VaultID
    /// The public key, 32 bytes.
    public let publicKey: [UInt8]
    let privateKey: GuardedKey

    package init(vault: VaultID, privateKey: GuardedKey) {
        self.vault = vault
        self.privateKey = privateKey
        publicKey = SealedBox.publicKey(of: privateKey)
    }

    /// A new pair.
    package static func generate(for vault: VaultID) throws(VaultError) -> RecoveryKey {
        try Sodium.start()
        return RecoveryKey(vault: vault, privateKey: .random())
    }

    /// The identifier for people: the first 8 bytes of the public key, in hexadecimal.
    public var id: String { Self.id(of: publicKey) }

    package static func id(of publicKey: [UInt8]) -> String { Hex.encode(publicKey.prefix(8)) }
}

// The file of a recovery key: one line, `TOKENVAULT-RECOVERY-1 <247 characters of base64url>`.
//
//  0 16  vault id       16 32  public key       48 25  parameters of Argon2id, as those of a passphrase keyslot
// 73 112 the private key wrapped: a key wrap under the file key, epoch 0,
//        AAD: domain "tv.recovery", the vault, owner 1, table, column, row and generation 0
// file key = BLAKE2b-256(key = Argon2id(passphrase, parameters), personal = "TokenVault.recv1", in = bytes 0 ..< 73)
extension RecoveryKey {
    private static let headBytes =
        VaultID.byteCount + SealedBox.publicKeyBytes + PassphraseParameters.byteCount
    private static let recordBytes = headBytes + KeyWrap.byteCount
    private static let file = SecretFile(
        noun: "recovery file", label: "TOKENVAULT-RECOVERY-1", byteCount: recordBytes)
    private static let personal = Personal("TokenVault.recv1")

    /// Reads a recovery file, 0600, and opens it with its passphrase.
    ///
    /// - Throws: `invalidInput` (no such file's content), `locked` (another passphrase), `integrity`, `notFound`,
    ///   `permissionDenied` (others may read it).
    public init(file path: String, passphrase: SecretBytes) throws(VaultError) {
        try Sodium.start()
        var record = [UInt8](repeating: 0, count: Self.recordBytes)
        let problem = try unsafe Self.file.read(at: path) { content throws(VaultError) in
            unsafe Self.file.decode(content, into: &record)
        }
        if let problem {
            throw VaultError(
                .invalidInput, "\(path) is not a recovery file: it \(problem).",
                remedy: "Name the file of a recovery key.")
        }
        let head = Array(record.prefix(Self.headBytes))
        guard let vault = VaultID(bytes: Array(head.prefix(16))),
            let parameters = PassphraseParameters(bytes: Array(head.dropFirst(48)))
        else { throw Self.damaged }
        let fileKey = try Self.fileKey(head, parameters, passphrase)
        let wrapped = Array(record.dropFirst(Self.headBytes))
        switch KeyWrap.attempt(wrapped, with: fileKey, epoch: 0, for: Self.place(vault)) {
        case .success(let privateKey):
            self.init(vault: vault, privateKey: privateKey)
            guard publicKey == Array(head[16..<48]) else { throw Self.damaged }
        case .failure(.anotherKey):
            throw VaultError(
                .locked, "The passphrase does not open this recovery file.",
                remedy: "Give the passphrase that was chosen when the file was made.")
        case .failure: throw Self.damaged
        }
    }

    /// Writes the private half, sealed to `passphrase`, into a new file; it is on the disk when this returns.
    package func write(to path: String, passphrase: SecretBytes) throws(VaultError) {
        try write(to: path, passphrase: passphrase, salt: SystemRandom().bytes(16), nonce: nil)
    }

    /// The same with everything chosen, for format vectors.
    ///
    /// - Parameter nonce: nil draws one.
    @_spi(ChosenNonce) public func write(
        to path: String, passphrase: SecretBytes, salt: [UInt8], nonce: [UInt8]?
    ) throws(VaultError) {
        let parameters = PassphraseParameters(salt: salt)
        let head = vault.bytes + publicKey + parameters.bytes
        let fileKey = try Self.fileKey(head, parameters, passphrase)
        let record =
            head
            + KeyWrap.wrap(privateKey, under: fileKey, epoch: 0, for: Self.place(vault), nonce: nonce)
        try unsafe record.withUnsafeBufferPointer { record throws(VaultError) in
            try unsafe Self.file.create(record, at: path)
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
        .integrity, "The recovery file differs from what was written: edited or damaged.",
        remedy: "Use another copy of it.")
}
