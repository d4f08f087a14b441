public import VaultCore

/// One share of a recovery key: a file of one line, `TOKENVAULT-SHARE-1 <142 characters of base64url>`.
///
/// ```
///  0 16  vault id     16 32  public key of the recovery key     48  8  split: random, the same in all its shares
/// 56  1  threshold    57  1  index, 1 …                         58 32  value      90 16  SHA-256(bytes 0 ..< 90)[0 ..< 16]
/// ```
public struct RecoveryShare: Sendable {
    /// The vault that the recovery key was made for.
    public let vault: VaultID
    /// Of the recovery key, 32 bytes.
    public let publicKey: [UInt8]
    /// How many shares make the key.
    public let threshold: Int
    /// Which share this is, from 1.
    public let index: Int
    let split: [UInt8]
    let value: GuardedKey

    static let byteCount = 106
    private static let line = SecretLine("TOKENVAULT-SHARE-1", byteCount: byteCount)
    private static let file = SecretFile(noun: "recovery share", limit: line.characterCount + 1)

    init(of key: RecoveryKey, split: [UInt8], threshold: Int, index: Int, value: GuardedKey) {
        vault = key.vault
        publicKey = key.publicKey
        self.split = split
        self.threshold = threshold
        self.index = index
        self.value = value
    }

    /// Reads a share, 0600, and checks it.
    ///
    /// - Throws: `invalidInput` (no share), `integrity` (its checksum is wrong), `notFound`, `permissionDenied`.
    public init(file path: String) throws(VaultError) {
        try Sodium.start()
        let share = try unsafe Self.file.read(at: path) { content throws(VaultError) in
            try unsafe Self.line.read(content) { record throws(VaultError) -> RecoveryShare? in
                guard let share = unsafe RecoveryShare(record) else {
                    throw VaultError(
                        .integrity, "The share \(path) is damaged: its checksum is wrong.",
                        remedy: "Use another copy of it, or another share.")
                }
                return share
            }
        }
        guard let share else {
            throw VaultError(
                .invalidInput, "\(path) is not a recovery share: no TOKENVAULT-SHARE-1 line.",
                remedy: "Name a file that 'tokenvault key recovery split' wrote.")
        }
        self = share
    }

    /// Nil where the checksum, or a number, is not one that was written.
    init?(_ record: UnsafeBufferPointer<UInt8>) {
        let checked = Self.byteCount - Self.checksumBytes
        guard record.count == Self.byteCount else { return nil }
        let sum = unsafe Self.checksum(UnsafeBufferPointer(rebasing: record[..<checked]))
        guard unsafe Array(record[checked...]) == sum,
            let vault = unsafe VaultID(bytes: Array(record[..<16])),
            let value = try? unsafe GuardedKey(
                copying: UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: record[58..<90])))
        else { return nil }
        self.vault = vault
        publicKey = unsafe Array(record[16..<48])
        split = unsafe Array(record[48..<56])
        threshold = unsafe Int(record[56])
        index = unsafe Int(record[57])
        self.value = value
        guard threshold >= 2, index >= 1 else { return nil }
    }

    /// Writes it into a new file for its owner alone.
    package func write(to path: String) throws(VaultError) {
        try unsafe withRecord { record throws(VaultError) in
            try unsafe Self.line.write(record) { text throws(VaultError) in
                try unsafe Self.file.create(text, at: path)
            }
        }
    }

    /// Lends the octets of the share, with their checksum.
    func withRecord<Result>(
        _ body: (UnsafeBufferPointer<UInt8>) throws(VaultError) -> Result
    ) throws(VaultError) -> Result {
        var record: [UInt8] = []
        // Room for all, so that no copy is left behind when it grows.
        record.reserveCapacity(Self.byteCount)
        record += vault.bytes
        record += publicKey
        record += split
        record += [UInt8(truncatingIfNeeded: threshold), UInt8(truncatingIfNeeded: index)]
        unsafe value.withBytes { unsafe record.append(contentsOf: $0) }
        record += unsafe record.withUnsafeBufferPointer { unsafe Self.checksum($0) }
        defer { Sodium.wipe(&record) }
        return try unsafe withBuffer(of: record, body)
    }

    private static let checksumBytes = 16

    private static func checksum(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var copy = unsafe Array(bytes)
        defer { Sodium.wipe(&copy) }
        return Array(SHA256.hash(copy).bytes.prefix(checksumBytes))
    }
}
