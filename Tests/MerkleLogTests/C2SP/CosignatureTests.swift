import MerkleLog
import Testing
import VaultCore
import VaultCrypto

/// The checkpoint that C2SP tlog-cosignature has as its example, cosigned by aics-tlog 0.2.1 with the seed 00 01 … 1f.
private enum Cosigned {
    static let vkey = "witness.example.com/w1+a0059f11+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    static let body = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    static let line =
        "— witness.example.com/w1 oAWfEQAAAABkGFDLBuRDazBLVac2NE+Y+IjbjQOcXLfF9CSDZVUIoS83"
        + "rE1nFZsVE8YiWV6Ngr7lV8H6bdoBQGP/l73euDMQ9k+bBQ==\n"
    /// A line of somebody else's, of the same example.
    static let other =
        "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q"
        + "1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    static let time: UInt64 = 1_679_315_147

    static func key() throws -> NoteKey { try #require(NoteKey(vkey: vkey, kind: .cosignature)) }

    static func signingKey() throws -> SigningKey {
        try (0..<32).map { UInt8($0) }.withUnsafeBytes { SigningKey(seed: try GuardedKey(copying: $0)) }
    }

    /// As a witness makes it: `id ‖ time ‖ signature over the message`.
    static func line(time: UInt64, message: String) throws -> String {
        let key = try key()
        let id = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: key.id >> $0) }
        let octets = (0..<8).reversed().map { UInt8(truncatingIfNeeded: time >> ($0 * 8)) }
        let signature = try signingKey().sign(Array(message.utf8))
        return "— \(key.name) \(Base64.encode(id + octets + signature))\n"
    }

    static func read(_ answer: String, on body: String = body) throws -> Cosignature {
        try Cosignature.read(Array(answer.utf8), on: body, by: key())
    }
}

@Suite("C2SP tlog-cosignature: cosignature/v1 of a witness")
struct CosignatureTests {
    @Test func `another implementation's cosignature is read, alone and among others`() throws {
        let cosignature = try Cosigned.read(Cosigned.line)
        #expect(cosignature.time == Cosigned.time && cosignature.line == Cosigned.line)
        #expect(try Cosigned.read(Cosigned.other + Cosigned.line + Cosigned.other) == cosignature)
        let made = try Cosigned.line(
            time: Cosigned.time, message: "cosignature/v1\ntime \(Cosigned.time)\n\(Cosigned.body)")
        #expect(made == Cosigned.line)
    }

    @Test func `of several the newest counts, and a wrong one spoils them`() throws {
        let later = try Cosigned.line(
            time: 2_000_000_000, message: "cosignature/v1\ntime 2000000000\n\(Cosigned.body)")
        for answer in [Cosigned.line + later, later + Cosigned.line] {
            #expect(try Cosigned.read(answer).line == later)
        }
        let wrong = try Cosigned.line(time: 1, message: Cosigned.body)
        #expect(throws: VaultError(.integrity, "")) { try Cosigned.read(Cosigned.line + wrong) }
    }

    @Test func `it is of one checkpoint only, whichever character changed`() throws {
        let body = Array(Cosigned.body.utf8)
        for index in body.indices where body[index] != UInt8(ascii: "\n") {
            var changed = body
            changed[index] ^= 1
            let text = String(decoding: changed, as: UTF8.self)
            #expect(throws: VaultError(.integrity, "")) { try Cosigned.read(Cosigned.line, on: text) }
        }
    }

    @Test func `every changed bit of time and signature is refused`() throws {
        let blob = try #require(Base64.decode(Cosigned.line.utf8.dropFirst(27).dropLast()))
        #expect(blob.count == 76)
        for bit in 32..<blob.count * 8 {
            var changed = blob
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            let line = "— witness.example.com/w1 \(Base64.encode(changed))\n"
            #expect(throws: VaultError(.integrity, ""), "bit \(bit)") { try Cosigned.read(line) }
        }
    }

    @Test func `what was signed for something else is no cosignature`() throws {
        let body = Cosigned.body
        for (time, message) in [
            // A note signature, another header, another time than the line has, times beyond 2^63 - 1.
            (1, body), (1, "cosignature/v2\ntime 1\n\(body)"), (1, "cosignature/v1\ntime 2\n\(body)"),
            (1, "cosignature/v1\ntime 01\n\(body)"), (1, "cosignature/v1\n\(body)"),
            (1 << 63, "cosignature/v1\ntime 9223372036854775808\n\(body)"),
        ] as [(UInt64, String)] {
            let line = try Cosigned.line(time: time, message: message)
            #expect(throws: VaultError(.integrity, ""), "\(message)") { try Cosigned.read(line) }
        }
        let last = try Cosigned.line(
            time: UInt64(Int64.max), message: "cosignature/v1\ntime 9223372036854775807\n\(body)")
        #expect(try Cosigned.read(last).time == UInt64(Int64.max))
    }

    @Test(arguments: [
        "", "\n", "— \n", Cosigned.other, "20852163\n", "<html></html>\n",
        Cosigned.line + "\n" + Cosigned.line,
        "\n" + Cosigned.line, "x\n\n" + Cosigned.line, Cosigned.line + "x", Cosigned.line + "x\n",
        String(Cosigned.line.dropLast()), String(repeating: Cosigned.other, count: 64) + Cosigned.line,
        Cosigned.line.replacing("witness.example.com/w1", with: "witness.example.com/w2"),
        Cosigned.line.replacing("oAWfEQ", with: "oAWfEA"), "\r\n" + Cosigned.line, Cosigned.line + "\0\n",
    ])
    func `an answer that is none is refused`(_ answer: String) {
        #expect(throws: VaultError(.integrity, "")) { try Cosigned.read(answer) }
    }
}

@Suite("C2SP tlog-cosignature: keys of witnesses")
struct WitnessKeyTests {
    @Test func `a published key reads and writes as it stands`() throws {
        let key = try Cosigned.key()
        #expect(key.vkey == Cosigned.vkey && key.id == 0xA005_9F11)
        #expect(NoteKey(name: key.name, kind: .cosignature, publicKey: key.publicKey) == key)
    }

    @Test func `a log's key is no witness's, nor the other way round`() throws {
        #expect(NoteKey(vkey: PublishedNote.vkey, kind: .cosignature) == nil)
        #expect(NoteKey(vkey: Cosigned.vkey) == nil)
    }

    @Test func `every changed character is refused, and every part of it`() {
        let whole = Array(Cosigned.vkey.utf8)
        for index in whole.indices {
            for change in [1, 0x20, 0x80] as [UInt8] {
                var changed = whole
                changed[index] ^= change
                #expect(
                    NoteKey(vkey: String(decoding: changed, as: UTF8.self), kind: .cosignature) == nil,
                    "\(index)")
            }
            #expect(
                NoteKey(
                    vkey: String(decoding: whole[index...].dropFirst(), as: UTF8.self), kind: .cosignature)
                    == nil)
            #expect(
                NoteKey(vkey: String(decoding: whole[..<index], as: UTF8.self), kind: .cosignature) == nil)
        }
    }
}
