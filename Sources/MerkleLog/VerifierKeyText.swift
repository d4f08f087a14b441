import VaultCore
import VaultCrypto

/// The text form of C2SP verifier keys (vkey): `name+id+key`, the id in hex, in base64 what the key is for and the key.
enum VerifierKeyText {
    /// Signature types of C2SP signed-note.
    enum Kind: UInt8 {
        case ed25519 = 0x01
        /// Timestamped cosignatures of Ed25519 (tlog-cosignature).
        case cosignature = 0x04
    }

    /// First four octets of SHA-256(name ‖ newline ‖ kind ‖ key): tells keys apart, secures nothing.
    static func id(_ name: String, _ kind: Kind, _ publicKey: [UInt8]) -> UInt32 {
        let digest = SHA256.hash(Array(name.utf8) + [UInt8(ascii: "\n"), kind.rawValue] + publicKey)
        return UInt32(bigEndianOctets: digest.bytes.prefix(4))
    }

    static func text(_ name: String, _ kind: Kind, _ publicKey: [UInt8]) -> String {
        let id = Hex.encode(id(name, kind, publicKey).bigEndianOctets)
        return "\(name)+\(id)+\(Base64.encode([kind.rawValue] + publicKey))"
    }

    /// Nil for a key of another kind, another spelling, or an id that is not the key's.
    static func parse(_ text: String, _ kind: Kind) -> (name: String, publicKey: [UInt8])? {
        let parts = text.utf8.split(
            separator: UInt8(ascii: "+"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let name = String(parts[0]), NoteKey.isName(name),
            let id = Hex.decode(Substring(parts[1])), id.count == 4,
            let key = Base64.decode(parts[2]), key.first == kind.rawValue, key.count == 33
        else { return nil }
        let publicKey = Array(key.dropFirst())
        guard self.id(name, kind, publicKey) == UInt32(bigEndianOctets: id) else { return nil }
        return (name, publicKey)
    }
}
