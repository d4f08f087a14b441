import VaultCore
import VaultCrypto

/// Who signs notes, or cosigns checkpoints: a name and an Ed25519 public key (C2SP signed-note, tlog-cosignature). Names
/// are kept to visible ASCII, which is less than C2SP allows, so that one name has one spelling.
package struct NoteKey: Sendable, Equatable {
    /// Signature types of C2SP signed-note.
    package enum Kind: UInt8, Sendable {
        case note = 0x01
        /// Timestamped cosignatures of a witness.
        case cosignature = 0x04
    }

    package let name: String
    package let kind: Kind
    /// 32 octets, RFC 8032.
    package let publicKey: [UInt8]
    /// First four octets of SHA-256(name ‖ newline ‖ kind ‖ public key): tells keys apart, secures nothing.
    package let id: UInt32

    /// Nil for a name that ``isName(_:)`` refuses and for a key that is not 32 octets.
    package init?(name: String, kind: Kind = .note, publicKey: [UInt8]) {
        guard Self.isName(name), publicKey.count == 32 else { return nil }
        self.name = name
        self.kind = kind
        self.publicKey = publicKey
        let digest = SHA256.hash(Array(name.utf8) + [UInt8(ascii: "\n"), kind.rawValue] + publicKey)
        id = digest.bytes.prefix(4).bigEndian()
    }

    /// Reads the text form, ``vkey``. Nil for a key of another kind, another spelling, or an id that is not the key's.
    package init?(vkey: String, kind: Kind = .note) {
        let parts = vkey.utf8.split(
            separator: UInt8(ascii: "+"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let name = String(parts[0]), let id = Hex.decode(Substring(parts[1])),
            id.count == 4, let key = Base64.decode(parts[2]), key.first == kind.rawValue
        else { return nil }
        self.init(name: name, kind: kind, publicKey: Array(key.dropFirst()))
        guard self.id == id.bigEndian() else { return nil }
    }

    /// The text form in which a verifier key is published: `name+id+key`, the id in hex, kind and key in base64.
    package var vkey: String {
        "\(name)+\(Hex.encode(id.bigEndianOctets))+\(Base64.encode([kind.rawValue] + publicKey))"
    }

    /// Whether `text` is one or more visible ASCII characters without plus, which separates a vkey's parts.
    package static func isName(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { character in
                (UInt8(ascii: "!")...UInt8(ascii: "~")).contains(character) && character != UInt8(ascii: "+")
            }
    }
}

extension UInt32 {
    var bigEndianOctets: [UInt8] {
        [24, 16, 8, 0].map { shift in UInt8(truncatingIfNeeded: self >> shift) }
    }
}
