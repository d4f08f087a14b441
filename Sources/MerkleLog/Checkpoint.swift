package import VaultCore
package import VaultCrypto

/// A tree head as text: the body of a C2SP tlog-checkpoint, which is origin, size and root on three lines. A
/// checkpoint with extension lines is refused: ours have none, and auditors do not check them.
package struct Checkpoint: Sendable, Equatable {
    /// Which log this is: `tokenvault/<vault id>`. It is also the name of the key that signs.
    package let origin: String
    package let size: UInt64
    package let root: Digest

    /// The origin must be fit to name a key (``NoteKey/isName(_:)``). This program makes it, no input does:
    /// any other is a defect, and stops the program before it signs a text that reads differently.
    package init(origin: String, size: UInt64, root: Digest) {
        precondition(NoteKey.isName(origin), "a checkpoint's origin must be fit to name a key")
        self.origin = origin
        self.size = size
        self.root = root
    }

    /// The text that is signed; it ends in a newline.
    package var body: String {
        "\(origin)\n\(size)\n\(Base64.encode(root.bytes))\n"
    }

    /// Nil unless `body` is, octet for octet, the text that ``body`` gives for some checkpoint.
    package init?(parsing body: String) {
        let lines = body.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard lines.count == 4, lines[3].isEmpty,
            let origin = String(lines[0]), NoteKey.isName(origin),
            let size = Self.size(lines[1]),
            let octets = Base64.decode(lines[2]), let root = Digest(bytes: octets)
        else { return nil }
        self.init(origin: origin, size: size, root: root)
    }

    /// Decimal digits without sign or leading zero; nil when it is another spelling, or too large.
    package static func size(_ text: some Collection<UInt8>) -> UInt64? {
        guard text.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            text.count == 1 || text.first != UInt8(ascii: "0")
        else { return nil }
        return UInt64(String(decoding: text, as: UTF8.self))
    }
}

extension Checkpoint {
    /// Reads a signed checkpoint from anywhere. Throws ``VaultError/Code/integrity`` unless it is a
    /// well-formed one of the log of `key`, signed by it.
    package static func read(_ bytes: [UInt8], signedBy key: NoteKey) throws(VaultError) -> Checkpoint {
        let note = try SignedNote.parse(bytes)
        let checkpoint = try read(note, ofLog: key.name)
        guard note.isSigned(by: key) else { throw otherLog }
        return checkpoint
    }

    /// A checkpoint that names this log, by any signer: for a caller that computes its root itself.
    package static func read(_ bytes: [UInt8], ofLog name: String) throws(VaultError) -> Checkpoint {
        try read(SignedNote.parse(bytes), ofLog: name)
    }

    private static func read(_ note: SignedNote, ofLog name: String) throws(VaultError) -> Checkpoint {
        guard let checkpoint = Checkpoint(parsing: note.text) else {
            throw VaultError(.integrity, "The signed text is not a checkpoint.")
        }
        guard checkpoint.origin == name else { throw otherLog }
        return checkpoint
    }

    private static var otherLog: VaultError {
        VaultError(
            .integrity, "The checkpoint is not signed by the key of this log.",
            remedy: "Check where the file and the verifier key came from.")
    }
}
