package import VaultCore
import VaultCrypto

/// A witness's word that a checkpoint extends every one it saw of that log (C2SP tlog-cosignature, cosignature/v1).
package struct Cosignature: Sendable, Equatable {
    /// When the witness signed, by its own clock: seconds since 1970.
    package let time: UInt64
    /// The signature line that stands for it in a note, with its newline.
    package let line: String

    /// Reads what a witness answered: signature lines on the checkpoint that it was sent. Lines of other keys
    /// are ignored, a wrong one of this key spoils the answer; of several the newest counts.
    ///
    /// - Parameters:
    ///   - answer: from anywhere.
    ///   - body: the text of the checkpoint, without signatures.
    /// - Throws: ``VaultError/Code/integrity`` unless `key` cosigned exactly this text.
    package static func read(
        _ answer: [UInt8], on body: String, by key: NoteKey
    ) throws(VaultError) -> Cosignature {
        // As C2SP tlog-witness suggests: behind the checkpoint the answer makes a note, or is no answer.
        let note = try SignedNote.parse(Array(body.utf8) + [UInt8(ascii: "\n")] + answer)
        // An empty line in the answer would have made text of what stands before it.
        guard note.text.utf8.elementsEqual(body.utf8) else { throw refused }
        var newest: Cosignature?
        for signature in note.signatures
        where signature.id == key.id && signature.name.utf8.elementsEqual(key.name.utf8) {
            guard let cosignature = Cosignature(signature, on: body, by: key) else { throw refused }
            if cosignature.time >= newest?.time ?? 0 { newest = cosignature }
        }
        guard let newest else { throw refused }
        return newest
    }

    /// Nil unless it is `timestamp ‖ signature` over the header, the time and the text.
    private init?(_ signature: SignedNote.Signature, on body: String, by key: NoteKey) {
        guard key.kind == .cosignature, signature.bytes.count == 8 + Ed25519.signatureBytes else {
            return nil
        }
        let time: UInt64 = signature.bytes.prefix(8).bigEndian()
        guard time <= UInt64(Int64.max) else { return nil }
        let message = Array("cosignature/v1\ntime \(time)\n\(body)".utf8)
        guard
            Ed25519.verify(
                signature: Array(signature.bytes.dropFirst(8)), message: message, publicKey: key.publicKey)
        else { return nil }
        self.time = time
        line =
            "\(SignedNote.linePrefix)\(key.name) \(Base64.encode(key.id.bigEndianOctets + signature.bytes))\n"
    }

    private static let refused = VaultError(
        .integrity, "The witness did not cosign this checkpoint with the key that was given for it.",
        remedy: "Check its URL and its verifier key.")
}
