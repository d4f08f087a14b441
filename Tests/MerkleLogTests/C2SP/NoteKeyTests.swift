import MerkleLog
import Testing
import VaultCore
import VaultCrypto

@Suite("C2SP signed-note: keys and their text form")
struct NoteKeyTests {
    @Test func `the published key reads and writes as it stands`() throws {
        for vkey in [PublishedNote.vkey, PublishedNote.otherVkey] {
            #expect(try #require(NoteKey(vkey: vkey)).vkey == vkey)
        }
        let key = try PublishedNote.key()
        #expect(key.name == "PeterNeumann")
        #expect(key.id == 0xC74F_20A3)
        #expect(NoteKey(name: "PeterNeumann", publicKey: key.publicKey) == key)
    }

    @Test func `every part of a key cut out of it is refused`() {
        let whole = Array(PublishedNote.vkey)
        for start in whole.indices {
            for end in start...whole.count where end - start < whole.count {
                #expect(NoteKey(vkey: String(whole[start..<end])) == nil, "\(start)..<\(end)")
            }
        }
    }

    @Test func `every changed character is refused`() {
        let whole = Array(PublishedNote.vkey.utf8)
        for index in whole.indices {
            for change in [1, 0x20, 0x80] as [UInt8] {
                var changed = whole
                changed[index] ^= change
                #expect(NoteKey(vkey: String(decoding: changed, as: UTF8.self)) == nil, "character \(index)")
            }
        }
    }

    @Test func `another algorithm or key length is refused, even under its own id`() throws {
        let key = try PublishedNote.key().publicKey
        for encoded in [[0x02] + key, [0x01] + key + [0], [0x01] + key.dropLast(), [0x01], []] as [[UInt8]] {
            let digest = SHA256.hash(Array("PeterNeumann\n".utf8) + encoded)
            let id = Hex.encode(digest.bytes.prefix(4))
            #expect(NoteKey(vkey: "PeterNeumann+\(id)+\(Base64.encode(encoded))") == nil)
        }
    }

    @Test func `a name with a space, a plus, a control character or beyond ASCII names no key`() throws {
        let key = try PublishedNote.key().publicKey
        for name in ["", " ", "a b", "a+b", "a\n", "a\u{7F}", "a\u{A0}b", "\u{212A}elvin", "日本"] {
            #expect(NoteKey(name: name, publicKey: key) == nil, "\(name.debugDescription)")
            #expect(!NoteKey.isName(name), "\(name.debugDescription)")
        }
        #expect(NoteKey(name: "tokenvault/0123456789abcdef", publicKey: key) != nil)
        #expect(NoteKey(name: "a", publicKey: []) == nil)
        #expect(NoteKey(name: "a", publicKey: key.dropLast()) == nil)
        #expect(NoteKey(name: "a", publicKey: key + [0]) == nil)
    }

    @Test func `the same public key under another name is another key`() throws {
        let key = try PublishedNote.key()
        let renamed = try #require(NoteKey(name: "PeterNeumanm", publicKey: key.publicKey))
        #expect(renamed.id != key.id)
        #expect(renamed != key)
    }
}
