import MerkleLog
import TestSupport
import Testing
import VaultCore
import VaultCrypto

@Suite("C2SP signed-note: the format is read strictly and within bounds")
struct SignedNoteFormatTests {
    private let text = PublishedNote.text
    private let line = PublishedNote.line
    /// The base64 of the published signature without its padding.
    private let signature = String(PublishedNote.line.dropFirst(15).dropLast(2))

    @Test func `a note without its parts in order is refused`() {
        refuses(
            "", "\n", "\n\n", text, text + "\n", line, "\n" + line, text + line, text + "\n\n",
            text + "\n" + line + "\n", text + "\n" + line + text,
            text + "\n" + line + "\n" + line + "no signature\n", String((text + "\n" + line).dropLast()))
    }

    @Test func `every truncation is refused`() {
        let note = Array(PublishedNote.note.utf8)
        for count in note.indices {
            #expect(throws: VaultError(.integrity, ""), "\(count) octets") {
                try SignedNote.parse(Array(note[..<count]))
            }
        }
    }

    @Test func `the last empty line separates, and the text may have others`() throws {
        let signer = try PublishedNote.signer()
        for text in ["\n", "a\n\nb\n", "a\n\n", "\n\n\n", "a\n\n" + line, "é\u{2014}\n"] {
            let note = try SignedNote.parse(Array(try signer.sign(text).utf8))
            #expect(Array(note.text.utf8) == Array(text.utf8))
            #expect(note.isSigned(by: signer.key))
        }
    }

    @Test func `control characters and octets that are not UTF-8 are refused`() {
        for character in (0..<0x20 as Range<UInt8>) where character != UInt8(ascii: "\n") {
            refuses([character] + Array(PublishedNote.note.utf8))
        }
        refuses([0xFF] + Array(PublishedNote.note.utf8))
        refuses([0xC0, 0x8A] + Array(PublishedNote.note.utf8))
        refuses([0xED, 0xA0, 0x80] + Array(PublishedNote.note.utf8))
    }

    @Test func `a signature line in another shape is refused`() throws {
        // The line that the others differ from reads well.
        _ = try SignedNote.parse(Array((text + "\n— PeterNeumann \(signature)=\n").utf8))
        refusesLine(
            "- PeterNeumann \(signature)=", "\u{2013} PeterNeumann \(signature)=",
            "—PeterNeumann \(signature)=", "— PeterNeumann  \(signature)=",
            "—  PeterNeumann \(signature)=", "— PeterNeumann \(signature)= ",
            " — PeterNeumann \(signature)=", "— Peter Neumann \(signature)=", "— Peter+Neumann \(signature)=",
            "— Peter\u{A0}Neumann \(signature)=", "— Peter\u{2003}Neumann \(signature)=",
            "—  \(signature)=", "— PeterNeumann", "— PeterNeumann ", "— \(signature)=", "—")
    }

    @Test func `a signature in another spelling of base64 is refused`() {
        let urlSafe = signature.split(separator: "/").joined(separator: "_")
        refusesLine(
            "— PeterNeumann \(signature)", "— PeterNeumann \(signature)==",
            "— PeterNeumann \(signature)=====", "— PeterNeumann =\(signature)",
            "— PeterNeumann \(urlSafe)=", "— PeterNeumann \(signature.dropLast())N=",
            "— PeterNeumann \(signature.dropLast())=M")
    }

    @Test func `a signature of nothing but a key id is refused`() {
        refusesLine("— PeterNeumann x08gow==", "— PeterNeumann x08g", "— PeterNeumann ====")
    }

    @Test func `the number of signatures is bounded`() throws {
        let most = text + "\n" + String(repeating: line, count: Limits.noteSignatures)
        #expect(try SignedNote.parse(Array(most.utf8)).signatures.count == Limits.noteSignatures)
        refuses(most + line)
    }

    @Test func `the length is bounded, for the reader and for the signer`() throws {
        let signer = try PublishedNote.signer()
        let room = Limits.signedNoteBytes - line.utf8.count - 2
        let longest = try signer.sign(String(repeating: "a", count: room) + "\n")
        #expect(longest.utf8.count == Limits.signedNoteBytes)
        #expect(try SignedNote.parse(Array(longest.utf8)).isSigned(by: signer.key))

        refuses("a" + longest)
        #expect(throws: VaultError(.invalidInput, "")) {
            try signer.sign(String(repeating: "a", count: room + 1) + "\n")
        }
    }

    @Test(arguments: ["", "no newline", "tab\t\n", "return\r\n", "null\0\n", "escape\u{1B}\n"])
    func `a text that would not read back is not signed`(_ text: String) throws {
        let signer = try PublishedNote.signer()
        #expect(throws: VaultError(.invalidInput, "")) { try signer.sign(text) }
    }

    @Test func `a name that names no key makes no signer`() {
        #expect(NoteSigner(name: "two words", key: SigningKey(seed: .random())) == nil)
        #expect(NoteSigner(name: "", key: SigningKey(seed: .random())) == nil)
    }

    @Test func `random changes never read as another note of the same key`() throws {
        var generator = SeededGenerator("SignedNoteFormatTests")
        let seed = generator.seed
        print("signed notes: seed \(seed)")

        let key = try PublishedNote.key()
        let original = Array(PublishedNote.note.utf8)
        for round in 0..<2_000 {
            var changed = original
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let index = Int.random(in: 0..<changed.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: changed[index] = UInt8.random(in: 0...255, using: &generator)
                case 1: changed.remove(at: index)
                default: changed.insert(UInt8.random(in: 0...255, using: &generator), at: index)
                }
            }
            guard changed != original, let note = try? SignedNote.parse(changed) else { continue }
            #expect(!note.isSigned(by: key), "round \(round), seed \(seed)")
        }
    }

    private func refuses(_ bytes: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(throws: VaultError(.integrity, ""), "\(bytes.prefix(200))", sourceLocation: sourceLocation) {
            try SignedNote.parse(bytes)
        }
    }

    private func refuses(_ notes: String..., sourceLocation: SourceLocation = #_sourceLocation) {
        for note in notes { refuses(Array(note.utf8), sourceLocation: sourceLocation) }
    }

    private func refusesLine(_ lines: String..., sourceLocation: SourceLocation = #_sourceLocation) {
        for line in lines { refuses(text + "\n" + line + "\n", sourceLocation: sourceLocation) }
    }
}
