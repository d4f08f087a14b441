package import VaultCore
package import VaultCrypto

/// Signs texts as C2SP signed notes with one Ed25519 key.
package struct NoteSigner: Sendable {
    /// What others need in order to check our notes.
    package let key: NoteKey
    private let signingKey: SigningKey

    /// Nil for a name that ``NoteKey/isName(_:)`` refuses.
    package init?(name: String, key signingKey: SigningKey) {
        guard let key = NoteKey(name: name, publicKey: signingKey.publicKey) else { return nil }
        self.key = key
        self.signingKey = signingKey
    }

    /// A signer with the same key and another name.
    package func named(_ name: String) -> NoteSigner? { NoteSigner(name: name, key: signingKey) }

    /// The whole signed note: the text, an empty line, and one signature line. Throws
    /// ``VaultError/Code/invalidInput`` for a text that would not read back as itself: one that ends in no
    /// newline, contains another control character, or is too long.
    package func sign(_ text: String) throws(VaultError) -> String {
        let note = "\(text)\n\(try signatureLine(of: text))"
        guard note.utf8.count <= Limits.signedNoteBytes else {
            throw VaultError(.invalidInput, "A signed note holds at most \(Limits.signedNoteBytes) octets.")
        }
        return note
    }

    /// What a further signer adds to a note over the same text.
    package func signatureLine(of text: String) throws(VaultError) -> String {
        let message = Array(text.utf8)
        guard message.last == UInt8(ascii: "\n"), !message.contains(where: SignedNote.isForbidden) else {
            throw VaultError(.invalidInput, "A note ends in a newline and has no other control character.")
        }
        let signature = Base64.encode(key.id.bigEndianOctets + signingKey.sign(message))
        return "\(SignedNote.linePrefix)\(key.name) \(signature)\n"
    }
}
