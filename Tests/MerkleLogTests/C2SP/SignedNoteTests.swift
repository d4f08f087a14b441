import MerkleLog
import Testing
import VaultCore
import VaultCrypto

@Suite("C2SP signed-note: signing and checking")
struct SignedNoteTests {
    @Test func `the published note is made octet for octet`() throws {
        let signer = try PublishedNote.signer()
        #expect(signer.key.vkey == PublishedNote.vkey)
        #expect(try signer.sign(PublishedNote.text) == PublishedNote.note)
    }

    @Test func `the published note is read, and is signed by its key`() throws {
        let note = try SignedNote.parse(Array(PublishedNote.note.utf8))
        #expect(note.text == PublishedNote.text)
        #expect(note.signatures.map(\.name) == ["PeterNeumann"])
        #expect(note.signatures.map(\.id) == [0xC74F_20A3])
        #expect(note.isSigned(by: try PublishedNote.key()))
    }

    @Test func `a note may carry signatures of others, known and unknown`() throws {
        let foreign = "— clé.example/été AAAAAQID\n"
        let lines = PublishedNote.otherLine + foreign + PublishedNote.line
        let note = try SignedNote.parse(Array((PublishedNote.text + "\n" + lines).utf8))
        #expect(note.signatures.map(\.name) == ["EnochRoot", "clé.example/été", "PeterNeumann"])
        #expect(note.isSigned(by: try PublishedNote.key()))
        #expect(note.isSigned(by: try #require(NoteKey(vkey: PublishedNote.otherVkey))))
    }

    @Test func `a note that only others signed is not signed`() throws {
        let note = try SignedNote.parse(Array((PublishedNote.text + "\n" + PublishedNote.otherLine).utf8))
        #expect(!note.isSigned(by: try PublishedNote.key()))
    }

    @Test func `a changed text is not signed, whichever character changed`() throws {
        let key = try PublishedNote.key()
        let text = Array(PublishedNote.text.utf8)
        for index in text.indices.dropLast() where text[index] != UInt8(ascii: "\n") {
            var changed = text
            changed[index] ^= 1
            let note = try SignedNote.parse(changed + Array(("\n" + PublishedNote.line).utf8))
            #expect(!note.isSigned(by: key), "character \(index)")
        }
    }

    @Test func `a changed signature is not that of the key, whichever bit changed`() throws {
        let key = try PublishedNote.key()
        let signature = try #require(SignedNote.parse(Array(PublishedNote.note.utf8)).signatures.first)
        for bit in 0..<signature.bytes.count * 8 {
            var bytes = signature.bytes
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!(try note(with: [bytes])).isSigned(by: key), "bit \(bit)")
        }
    }

    @Test func `a signature cut short or drawn out is not that of the key`() throws {
        let key = try PublishedNote.key()
        let signature = try #require(SignedNote.parse(Array(PublishedNote.note.utf8)).signatures.first)
        #expect(!(try note(with: [signature.bytes.dropLast()])).isSigned(by: key))
        #expect(!(try note(with: [signature.bytes + [0]])).isSigned(by: key))
        #expect(!(try note(with: [[0]])).isSigned(by: key))
    }

    @Test func `one wrong signature of the key spoils the note, before or after a right one`() throws {
        let key = try PublishedNote.key()
        let right = try #require(SignedNote.parse(Array(PublishedNote.note.utf8)).signatures.first).bytes
        let wrong = Array(right.dropLast()) + [0xFF]
        #expect(try note(with: [right]).isSigned(by: key))
        #expect(!(try note(with: [right, wrong])).isSigned(by: key))
        #expect(!(try note(with: [wrong, right])).isSigned(by: key))
    }

    @Test func `a name that only looks the same is another name`() throws {
        let key = try #require(NoteKey(name: "Kelvin", publicKey: try PublishedNote.key().publicKey))
        let signer = try #require(NoteSigner(name: "Kelvin", key: SigningKey(seed: .random())))
        let signed = try signer.sign("text\n")
        #expect(try SignedNote.parse(Array(signed.utf8)).isSigned(by: signer.key))
        #expect(!(try SignedNote.parse(Array(signed.utf8))).isSigned(by: key))

        let kelvinSign = signed.split(separator: "Kelvin").joined(separator: "\u{212A}elvin")
        let lookalike = try SignedNote.parse(Array(kelvinSign.utf8))
        #expect(lookalike.signatures.map(\.name) == ["Kelvin"], "Swift's equality takes them for the same")
        #expect(!lookalike.isSigned(by: signer.key))
    }

    @Test func `a checkpoint survives signing, reading and checking`() throws {
        let signer = try #require(NoteSigner(name: "tokenvault/0a1b", key: SigningKey(seed: .random())))
        let checkpoint = Checkpoint(origin: "tokenvault/0a1b", size: 7, root: MerkleHash.leaf([7]))
        let note = try SignedNote.parse(Array(try signer.sign(checkpoint.body).utf8))
        #expect(note.isSigned(by: signer.key))
        #expect(note.isSigned(by: try #require(NoteKey(vkey: signer.key.vkey))))
        #expect(Checkpoint(parsing: note.text) == checkpoint)
    }

    /// The published text with signature lines of the published key, whatever they hold.
    private func note(with signatures: [[UInt8]]) throws -> SignedNote {
        let lines = signatures.map { "— PeterNeumann \(Base64.encode([0xC7, 0x4F, 0x20, 0xA3] + $0))\n" }
        return try SignedNote.parse(Array((PublishedNote.text + "\n" + lines.joined()).utf8))
    }
}
