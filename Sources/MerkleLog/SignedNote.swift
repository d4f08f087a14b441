package import VaultCore
import VaultCrypto

/// A text with the signatures that came with it (C2SP signed-note): parsed, but believed only after a check.
package struct SignedNote: Sendable {
    /// One signature line; its octets mean something only to who knows the key of this name and id.
    package struct Signature: Sendable, Equatable {
        package let name: String
        package let id: UInt32
        package let bytes: [UInt8]
    }

    /// The signed text, which ends in a newline.
    package let text: String
    /// At least one.
    package let signatures: [Signature]

    /// Reads a note from anywhere. Throws ``VaultError/Code/integrity`` for anything but a well-formed note
    /// within ``Limits/signedNoteBytes`` and ``Limits/noteSignatures``.
    package static func parse(_ bytes: [UInt8]) throws(VaultError) -> SignedNote {
        guard bytes.count <= Limits.signedNoteBytes else { throw malformed("too long") }
        guard String(validating: bytes, as: UTF8.self) != nil else { throw malformed("not UTF-8") }
        guard !bytes.contains(where: isForbidden) else { throw malformed("a control character") }
        guard bytes.last == newline else { throw malformed("cut off") }

        // The text may contain empty lines: the last one separates it from the signatures.
        guard
            let separator = bytes.indices.dropFirst().last(where: { index in
                bytes[index] == newline && bytes[index - 1] == newline
            })
        else { throw malformed("no signatures") }

        let lines = bytes[(separator + 1)...].dropLast().split(separator: newline)
        guard (1...Limits.noteSignatures).contains(lines.count) else {
            throw malformed("no signatures, or too many")
        }
        var signatures: [Signature] = []
        for line in lines {
            guard let signature = Signature(line: line) else { throw malformed("a bad signature line") }
            signatures.append(signature)
        }
        let text = String(decoding: bytes[..<separator], as: UTF8.self)
        return SignedNote(text: text, signatures: signatures)
    }

    /// Whether `key` signed this text: lines of other keys are ignored, a wrong one of this key spoils it.
    package func isSigned(by key: NoteKey) -> Bool {
        // Names are compared as octets: to Swift's string equality the Kelvin sign is the letter K.
        let own = signatures.filter { $0.id == key.id && $0.name.utf8.elementsEqual(key.name.utf8) }
        let message = Array(text.utf8)
        return key.kind == .note && !own.isEmpty
            && own.allSatisfy { signature in
                Ed25519.verify(signature: signature.bytes, message: message, publicKey: key.publicKey)
            }
    }

    /// An em dash and a space open every signature line.
    static let linePrefix = "\u{2014} "

    /// Control characters other than newline have no place in a note.
    static func isForbidden(_ byte: UInt8) -> Bool { byte < 0x20 && byte != newline }

    private static let newline = UInt8(ascii: "\n")

    private static func malformed(_ reason: String) -> VaultError {
        VaultError(.integrity, "This is not a signed note: \(reason).")
    }
}

extension SignedNote.Signature {
    /// `— name base64(id ‖ signature)`, in its one spelling.
    fileprivate init?(line: ArraySlice<UInt8>) {
        let prefix = Array(SignedNote.linePrefix.utf8)
        guard line.starts(with: prefix) else { return nil }
        let parts = line.dropFirst(prefix.count).split(
            separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard parts.count == 2, let octets = Base64.decode(parts[1]), octets.count > 4 else { return nil }
        let name = String(decoding: parts[0], as: UTF8.self)
        // Other people's keys may have names beyond ASCII; C2SP bars only spaces and plus.
        guard !name.isEmpty,
            !name.unicodeScalars.contains(where: { $0.properties.isWhitespace || $0 == "+" })
        else { return nil }
        self.init(
            name: name, id: octets.prefix(4).bigEndian(), bytes: Array(octets.dropFirst(4)))
    }
}
