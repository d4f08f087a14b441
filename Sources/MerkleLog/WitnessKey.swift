/// Who cosigns checkpoints: a name and an Ed25519 public key (C2SP tlog-cosignature, vkey type 0x04).
package struct WitnessKey: Sendable, Equatable {
    package let name: String
    /// 32 octets, RFC 8032.
    package let publicKey: [UInt8]
    /// Tells keys apart, secures nothing.
    package let id: UInt32

    /// Nil for a name that ``NoteKey/isName(_:)`` refuses and for a key that is not 32 octets.
    package init?(name: String, publicKey: [UInt8]) {
        guard NoteKey.isName(name), publicKey.count == 32 else { return nil }
        self.name = name
        self.publicKey = publicKey
        id = VerifierKeyText.id(name, .cosignature, publicKey)
    }

    /// Reads the text form that a witness publishes, ``vkey``. Nil for a key that is not for cosignatures of
    /// Ed25519, another spelling, or an id that is not the key's.
    package init?(vkey: String) {
        guard let (name, publicKey) = VerifierKeyText.parse(vkey, .cosignature) else { return nil }
        self.init(name: name, publicKey: publicKey)
    }

    package var vkey: String { VerifierKeyText.text(name, .cosignature, publicKey) }
}
