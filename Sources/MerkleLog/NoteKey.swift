/// Who signs a note: a name and an Ed25519 public key (C2SP signed-note). Names are kept to visible ASCII,
/// which is less than C2SP allows, so that one name has one spelling.
package struct NoteKey: Sendable, Equatable {
    package let name: String
    /// 32 octets, RFC 8032.
    package let publicKey: [UInt8]
    /// First four octets of SHA-256(name ‖ newline ‖ 0x01 ‖ public key): tells keys apart, secures nothing.
    package let id: UInt32

    /// Nil for a name that ``isName(_:)`` refuses and for a key that is not 32 octets.
    package init?(name: String, publicKey: [UInt8]) {
        guard Self.isName(name), publicKey.count == 32 else { return nil }
        self.name = name
        self.publicKey = publicKey
        id = VerifierKeyText.id(name, .ed25519, publicKey)
    }

    /// Reads the text form, ``vkey``. Nil for another algorithm, another spelling, or an id that is not the
    /// key's.
    package init?(vkey: String) {
        guard let (name, publicKey) = VerifierKeyText.parse(vkey, .ed25519) else { return nil }
        self.init(name: name, publicKey: publicKey)
    }

    /// The text form in which a verifier key is published: `name+id+key`, the id in hex, the key in base64.
    package var vkey: String { VerifierKeyText.text(name, .ed25519, publicKey) }

    /// Whether `text` is one or more visible ASCII characters without plus, which separates a vkey's parts.
    package static func isName(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { character in
                (UInt8(ascii: "!")...UInt8(ascii: "~")).contains(character) && character != UInt8(ascii: "+")
            }
    }
}

extension UInt32 {
    init(bigEndianOctets octets: some Collection<UInt8>) {
        self = octets.reduce(0) { value, octet in value << 8 | UInt32(octet) }
    }

    var bigEndianOctets: [UInt8] {
        [24, 16, 8, 0].map { shift in UInt8(truncatingIfNeeded: self >> shift) }
    }
}
