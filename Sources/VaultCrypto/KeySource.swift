public import VaultCore

/// What a caller offers to open a vault with, or to lock a new one by.
///
/// A vault has one or more keyslots; each wraps the same root key and is opened by one of these.
///
/// ```swift
/// let key = KeySource.keyFile(path: "/etc/tokenvault/key")
/// ```
public enum KeySource: Sendable {
    /// A file with a 256-bit key: 32 raw bytes, or the line `TOKENVAULT-KEY-1 <43 characters of base64url>`.
    /// It must be a regular file that nobody but its owner may read or write.
    case keyFile(path: String)

    /// A passphrase, 1 to 1024 bytes of UTF-8, made into a key by Argon2id (RFC 9106): slow on purpose, about
    /// 0.2 s and 64 MiB. Two spellings of one character are two passphrases: normalise before.
    case passphrase(SecretBytes)

    /// The content of a key file as a systemd credential: the file `name` in `$CREDENTIALS_DIRECTORY`
    /// (`LoadCredentialEncrypted=` in systemd.exec(5)).
    case systemdCredential(name: String)
}

/// How a keyslot is opened; stored as a number in its row.
///
/// 4 is kept for an X25519 recovery key.
package enum KeyslotKind: Int64, Sendable {
    case keyFile = 1
    case passphrase = 2
    case systemdCredential = 3
}

extension KeySource {
    package var kind: KeyslotKind {
        switch self {
        case .keyFile: .keyFile
        case .passphrase: .passphrase
        case .systemdCredential: .systemdCredential
        }
    }
}
