import Foundation
import Testing
import VaultCore
import VaultCrypto

/// Recovery files and shares: `recovery.json`, and what else must hold of them.
@Suite(.serialized) struct `Recovery keys` {
    @Test func `the vector file holds what this code makes`() throws {
        try VectorFile.compare(
            "recovery.json", format: "recovery file and shares", RecoveryVectors.generate())
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
        let lines = try vector.value("text")
        if vector["kind"] == "file" {
            let file = try CredentialDirectory.write(Array(lines.utf8))
            return try RecoveryKey(file: file.path(), passphrase: SecretBytes(vector.bytes("passphrase")))
        }
        let shares = try lines.split(separator: "\n", omittingEmptySubsequences: false).map {
            try RecoveryShare(file: CredentialDirectory.write(Array($0.utf8)).path())
        }
        return try RecoveryKey(combining: shares)
    }

    static func generate() throws -> [Vector] { try files() + shares() }

    static func key(_ name: String = "recovery", vault: String = "vault") throws -> RecoveryKey {
        RecoveryKey(vault: try Chosen.vault(vault), privateKey: try Chosen.key("private key of \(name)"))
    }

    private static func vector(_ kind: String, _ name: String, _ text: String) -> Vector {
        [
            "name": name, "kind": kind, "expect": "opens", "text": text,
            "vault": Hex.encode(Chosen.bytes("vault", 16)),
            "private_key": Hex.encode(Chosen.bytes("private key of recovery", 32)),
        ]
    }

    private static func files() throws -> [Vector] {
        let passphrase = "correct horse battery staple"
        let path = CredentialDirectory.url.appending(path: UUID().uuidString).path()
        try key().write(
            to: path, passphrase: SecretBytes(copying: passphrase), salt: Chosen.bytes("salt", 16),
            nonce: Chosen.bytes("recovery nonce", 24))
        let line = try String(contentsOfFile: path, encoding: .utf8)
        let base = vector("file", "recovery file", line).with([
            "passphrase": Hex.encode(Array(passphrase.utf8))
        ])
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
            ("two newlines", line + "\n"), ("padding", line.dropLast() + "="), ("nothing", ""),
            ("another label", line.replacing("-1 ", with: "-2 ")), ("much more", line + line),
        ] {
            vectors.append(try base.refused(name, "invalid_input", why: "spelling", ["text": String(text)]))
        }
        return vectors
    }

    /// The line of each share of one split of `key`, 3 of 5.
    private static func lines(
        _ key: RecoveryKey, split name: String = "split", threshold: Int = 3
    ) throws -> [String] {
        let coefficients = try (1..<threshold).map { try Chosen.key("\(name) coefficient \($0)") }
        return try key.split(coefficients: coefficients, count: 5, split: Chosen.bytes(name, 8)).map {
            share in
            let path = CredentialDirectory.url.appending(path: UUID().uuidString).path()
            try share.write(to: path)
            return String(try String(contentsOfFile: path, encoding: .utf8).dropLast())
        }
    }

    private static func shares() throws -> [Vector] {
        let lines = try lines(key())
        func text(_ lines: [String]) -> Vector { ["text": lines.joined(separator: "\n")] }
        let base = vector("shares", "shares 1, 2, 3", lines[0...2].joined(separator: "\n"))
        let label = "TOKENVAULT-SHARE-1 "
        let record = try #require(Base64URL.decode(lines[1].dropFirst(label.count).utf8))
        func damaged(_ index: Int) -> [String] {
            [lines[0], label + Base64URL.encodeToString(record.flipped(at: index)), lines[2]]
        }
        // Its checksum is made good again: only the public key tells.
        var forged = Array(record.flipped(at: 60).prefix(90))
        forged += SHA256.hash(forged).bytes.prefix(16)
        let forgery = [lines[0], label + Base64URL.encodeToString(forged), lines[2]]
        let opens: [Vector] = [
            base, vector("shares", "shares 5, 1, 4", [lines[4], lines[0], lines[3]].joined(separator: "\n")),
            vector("shares", "all five", lines.joined(separator: "\n")),
            vector(
                "shares", "2 of 5",
                try self.lines(key(), split: "two", threshold: 2)[3...4].joined(separator: "\n")),
        ]
        let refused = try [
            base.refused("one", "locked", why: "too few", text([lines[0]])),
            base.refused("two", "locked", why: "too few", text([lines[0], lines[4]])),
            base.refused("one twice", "invalid_input", why: "twice", text([lines[0], lines[1], lines[1]])),
            base.refused(
                "of two vaults", "invalid_input", why: "vaults",
                text([lines[0], lines[1], self.lines(key(vault: "another vault"))[2]])),
            base.refused(
                "of two keys", "invalid_input", why: "keys",
                text([lines[0], lines[1], self.lines(key("another"))[2]])),
            base.refused(
                "of two splits", "invalid_input", why: "splits",
                text([lines[0], lines[1], self.lines(key(), split: "another")[2]])),
            base.refused("forged with its checksum", "integrity", why: "public key", text(forgery)),
            base.refused(
                "cut short", "invalid_input", why: "spelling", text([lines[0], String(lines[1].dropLast())])),
        ]
        return try opens + refused
            + record.indices.map {
                try base.refused("byte \($0) flipped", "integrity", why: "checksum", text(damaged($0)))
            }
    }
}
