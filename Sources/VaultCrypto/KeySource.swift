public import VaultCore

/// The key with which a vault is opened, or a new one is created.
///
/// A vault has one or more keyslots; each wraps the same root key and is opened by one of these.
///
/// ```swift
/// let key = KeySource.keyFile(path: "/etc/tokenvault/key")
/// ```
public enum KeySource: Sendable {
    /// A file with a 256-bit key: 32 raw bytes, or the line `TOKENVAULT-KEY-1 <43 characters of base64url>`, with
    /// CRLF, blanks or a byte order mark around it. It must be a regular file that only its owner may read or write.
    case keyFile(path: String)

    /// A passphrase, 1 to 1024 bytes of UTF-8, made into a key by Argon2id (RFC 9106): slow on purpose, about
    /// 0.2 s and 64 MiB. It is taken as OpaqueString (RFC 8265): two spellings of one character are one passphrase.
    case passphrase(SecretBytes)

    /// The content of a key file as a systemd credential: the file `name` in `$CREDENTIALS_DIRECTORY`
    /// (`LoadCredential=` and `LoadCredentialEncrypted=` in systemd.exec(5)). It opens the keyslots of that key
    /// file too, and the key file opens a keyslot that was made for the credential.
    case systemdCredential(name: String)

    /// The content of a key file that was read already, as from a pipe; opens the same keyslots as the file.
    case heldKey(HeldKey)

    /// The private half of the key pair that a recovery slot is sealed to.
    case recoveryKey(RecoveryKey)

    /// A program that keeps a key where it cannot be copied: a key management service, a smart card, a TPM.
    case program(KeyProgram)

    /// A provider in the host's code, which keeps a key elsewhere. It opens the same keyslots as a program that unwraps
    /// the same bytes.
    ///
    /// - Parameter deadline: The longest that one call of the provider may take.
    case provider(any KeyProvider, deadline: Duration = .seconds(30))
}

/// How a keyslot is opened; stored as a number in its row.
package enum KeyslotKind: Int64, Sendable, CaseIterable {
    case keyFile = 1
    case passphrase = 2
    case systemdCredential = 3
    case recoveryKey = 4
    case program = 6
}

extension KeySource {
    package var kind: KeyslotKind {
        switch self {
        case .keyFile, .heldKey: .keyFile
        case .passphrase: .passphrase
        case .systemdCredential: .systemdCredential
        case .recoveryKey: .recoveryKey
        case .program, .provider: .program
        }
    }
}

extension KeyslotKind {
    /// What to call such a source in a sentence.
    package var noun: String { names.noun }
    /// The kind in one word, for names and the log.
    package var word: String { names.word }

    private var names: (noun: String, word: String) {
        switch self {
        case .keyFile: ("key file", "key-file")
        case .passphrase: ("passphrase", "passphrase")
        case .systemdCredential: ("systemd credential", "credential")
        case .recoveryKey: ("recovery key", "recovery")
        case .program: ("key program", "program")
        }
    }
}

/// The content of a key file, in guarded memory.
public struct HeldKey: Sendable {
    let key: GuardedKey

    /// A new key that no file has: of a vault that ends with its process.
    package static func random() throws(VaultError) -> HeldKey {
        try Sodium.start()
        return HeldKey(key: .random())
    }

    private init(key: GuardedKey) { self.key = key }

    /// Reads `descriptor` to its end: a pipe or a file with what a key file holds.
    ///
    /// - Throws: `invalidInput` for anything else, `ioFailure` when it cannot be read.
    public init(readingFrom descriptor: Int32) throws(VaultError) {
        try Sodium.start()
        key = try KeyFile.read(descriptor: descriptor)
    }
}
