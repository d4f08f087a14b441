import Foundation
import Testing
import VaultCore
@_spi(ChosenNonce) import VaultCrypto

/// Recovery files: `recovery.json`, and what else must hold of them.
@Suite(.serialized) struct `Recovery keys` {
    @Test func `the vector file holds what this code makes`() throws {
        try VectorFile.compare(
            "recovery.json", format: "recovery file", RecoveryVectors.generate())
    }

    @Test(.readsVectors) func `every vector opens or is refused as it says`() throws {
        for vector in try VectorFile.load("recovery.json") {
            var key: RecoveryKey?
            let code = refusal { key = try RecoveryVectors.open(vector) }
            if vector["expect"] == "opens" {
                let expected = RecoveryKey(
                    vault: try vector.vault(), privateKey: try vector.key("private_key"))
                #expect(key?.publicKey == expected.publicKey && key?.vault == expected.vault, vector.title)
            } else {
                #expect(code?.rawValue == vector["expect"], vector.title)
            }
        }
    }
}

enum RecoveryVectors {
    /// From files, as a person would.
    static func open(_ vector: Vector) throws -> RecoveryKey {
        let file = try CredentialDirectory.write(Array(vector.value("text").utf8))
        return try RecoveryKey(file: file.path(), passphrase: SecretBytes(vector.bytes("passphrase")))
    }

    static func generate() throws -> [Vector] {
        let passphrase = "correct horse battery staple"
        let path = CredentialDirectory.url.appending(path: UUID().uuidString).path()
        let key = RecoveryKey(
            vault: try Chosen.vault(), privateKey: try Chosen.key("private key of recovery"))
        try key.write(
            to: path, passphrase: SecretBytes(copying: passphrase), salt: Chosen.bytes("salt", 16),
            nonce: Chosen.bytes("recovery nonce", 24))
        let line = try String(contentsOfFile: path, encoding: .utf8)
        let base: Vector = [
            "name": "recovery file", "expect": "opens", "text": line,
            "vault": Hex.encode(Chosen.bytes("vault", 16)),
            "private_key": Hex.encode(Chosen.bytes("private key of recovery", 32)),
            "passphrase": Hex.encode(Array(passphrase.utf8)),
        ]
        let label = "TOKENVAULT-RECOVERY-1 "
        let record = try #require(Base64URL.decode(line.dropFirst(label.count).dropLast().utf8))
        func edited(_ name: String, _ code: String, _ why: String, _ record: [UInt8]) throws -> Vector {
            try base.refused(name, code, why: why, ["text": label + Base64URL.encodeToString(record) + "\n"])
        }
        var vectors = try [
            base,
            base.refused(
                "another passphrase", "locked", why: "commitment",
                ["passphrase": Hex.encode(Array("staple".utf8))]),
            base.refused("no passphrase", "invalid_input", why: "passphrase", ["passphrase": ""]),
            edited("another vault", "locked", "commitment", record.flipped(at: 0)),
            edited("another public key", "locked", "commitment", record.flipped(at: 16)),
            edited("another algorithm", "integrity", "malformed", record.flipped(at: 48)),
            edited("fewer passes", "integrity", "malformed", record.flipped(at: 52)),
            edited("more memory than the ceiling", "integrity", "malformed", record.flipped(at: 53, bit: 7)),
            edited("another salt", "locked", "commitment", record.flipped(at: 57)),
            edited("another suite", "integrity", "malformed", record.flipped(at: 74)),
            edited("another epoch", "integrity", "key version", record.flipped(at: 80)),
            edited("another nonce", "locked", "commitment", record.flipped(at: 81)),
            edited("another commitment", "locked", "commitment", record.flipped(at: 105)),
            edited("ciphertext flipped", "integrity", "tag", record.flipped(at: 137)),
            edited("tag flipped", "integrity", "tag", record.flipped(at: 184)),
            edited("cut short", "invalid_input", "spelling", record.dropLast()),
        ]
        for (name, text) in [
            ("another end", line + String(repeating: "\n", count: 64)), ("padding", line.dropLast() + "="),
            ("nothing", ""),
            ("another label", line.replacing("-1 ", with: "-2 ")), ("much more", line + line),
        ] {
            vectors.append(try base.refused(name, "invalid_input", why: "spelling", ["text": String(text)]))
        }
        for (name, text) in [
            ("CRLF", line.dropLast() + "\r\n"), ("two newlines", line + "\n"),
            ("a blank behind", line.dropLast() + " \n"), ("a byte order mark", "\u{FEFF}" + line),
        ] {
            vectors.append(base.same(name, ["text": String(text)]))
        }
        let spaced = passphrase.replacing(" ", with: "\u{A0}")
        vectors.append(
            base.same("its passphrase with other spaces", ["passphrase": Hex.encode(Array(spaced.utf8))]))
        return vectors
    }
}
