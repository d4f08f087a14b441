import Foundation
import Testing
import VaultCore
@_spi(ChosenNonce) import VaultCrypto

/// Generates and opens `keyslot.json`.
extension Keyslots {
    @Test func `the vector file holds what this code makes`() throws {
        try VectorFile.compare("keyslot.json", format: "keyslot", KeyslotVectors.generate())
    }

    @Test(.readsVectors) func `every vector opens or is refused as it says`() throws {
        for vector in try VectorFile.load("keyslot.json") {
            let record = KeyslotRecord(
                id: try vector.bytes("slot"), kind: try KeyslotVectors.kind(of: vector),
                epoch: try vector.number("epoch"), parameters: try vector.bytes("parameters"),
                wrapped: try vector.bytes("wrapped"), role: KeyslotVectors.role(of: vector))
            let source = try KeyslotVectors.source(of: vector)
            let vault = try vector.vault()
            var root: [UInt8]?
            let code = refusal { root = try Keyslot.open(record, with: source, vault: vault).exposed }
            if vector["expect"] == "opens" {
                #expect(try root == vector.bytes("root"), vector.title)
            } else {
                #expect(code?.rawValue == vector["expect"], vector.title)
            }
        }
    }
}

enum KeyslotVectors {
    static func kind(of vector: Vector) throws -> KeyslotKind {
        guard let kind = KeyslotKind(rawValue: try vector.number("kind")) else { throw Missing.value("kind") }
        return kind
    }

    /// What is inside: 0 the root key, else the key of this role.
    static func role(of vector: Vector) -> UInt16 { UInt16(vector["role"] ?? "") ?? 0 }

    /// The source that the vector offers: a file with its content, or its content as the passphrase.
    static func source(of vector: Vector) throws -> KeySource {
        let content = try vector.bytes("source")
        let kind = try vector["source_kind"].map { KeyslotKind(rawValue: Int64($0) ?? 0) } ?? kind(of: vector)
        switch kind {
        case .passphrase: return .passphrase(SecretBytes(content))
        case .recoveryKey:
            return .recoveryKey(
                RecoveryKey(vault: try vector.vault(), privateKey: try Chosen.key(of: content)))
        case .program: return .program(try ScriptedProgram.answering(key: content))
        case .keyFile: return .keyFile(path: try CredentialDirectory.write(content).path())
        case .systemdCredential:
            return .systemdCredential(name: try CredentialDirectory.write(content).lastPathComponent)
        case nil: throw Missing.value("source_kind")
        }
    }

    static func generate() throws -> [Vector] {
        let raw = Chosen.bytes("key file", 32)
        let line = Array("TOKENVAULT-KEY-1 ".utf8) + Base64URL.encode(raw)
        let base = try slot("raw key file", .keyFile, raw)
        let passphrase = try slot(
            "passphrase", .passphrase, Array("correct horse battery staple".utf8), parameters: argon2id())
        let files = [
            base, try slot("key file in text form", .keyFile, line + [10]),
            try slot("key file in text form, no newline", .keyFile, line),
            try slot("systemd credential", .systemdCredential, line + [10]), passphrase,
            try slot(
                "passphrase, 4 passes", .passphrase, Array("пароль".utf8), parameters: argon2id(passes: 4)),
        ]
        let issuer = try slot("key file for the issuer", .keyFile, raw, role: 1)
        let misread = try ["0", "2"].map {
            try issuer.refused("its role read as \($0)", "locked", why: "commitment", ["role": $0])
        }
        return try files + [issuer] + misread + surrounded(base, line) + respelled() + damaged(base)
            + misplaced(base, line) + cheapened(passphrase) + KeyslotKindVectors.generate()
    }

    static func slot(
        _ name: String, _ kind: KeyslotKind, _ content: [UInt8], parameters: [UInt8] = [], role: Int? = nil
    ) throws -> Vector {
        var vector: Vector = [
            "name": name, "expect": "opens", "kind": "\(kind.rawValue)", "source": Hex.encode(content),
            "vault": Hex.encode(Chosen.bytes("vault", 16)),
            "slot": Hex.encode(Chosen.bytes("slot \(name)", 16)),
            "epoch": "3", "parameters": Hex.encode(parameters),
            "root": Hex.encode(Chosen.bytes("root \(name)", 32)),
        ]
        if let role { vector = vector.with(["role": "\(role)"]) }
        let record = try Keyslot.create(
            source(of: vector), wrapping: vector.key("root"), epoch: 3, vault: vector.vault(),
            id: vector.bytes("slot"), parameters: parameters, nonce: Chosen.bytes("nonce \(name)", 24),
            role: Self.role(of: vector))
        return vector.with(["wrapped": Hex.encode(record.wrapped)])
    }

    /// A key file that passed through an editor or another system.
    private static func surrounded(_ base: Vector, _ line: [UInt8]) -> [Vector] {
        [
            ("CRLF", line + Array("\r\n".utf8)), ("two newlines", line + [10, 10]),
            ("a blank behind", line + Array(" \t\n".utf8)),
            ("a byte order mark", [0xEF, 0xBB, 0xBF] + line + [10]),
            ("as much as may stand around it", line + [UInt8](repeating: 10, count: 64)),
        ].map { base.same("its key as a line with \($0.0)", ["source": Hex.encode($0.1)]) }
    }

    /// One passphrase, typed on several systems.
    private static func respelled() throws -> [Vector] {
        let composed = "Größe žluťoučký パスワード"
        let base = try slot(
            "passphrase beyond ASCII", .passphrase, Array(composed.utf8), parameters: argon2id())
        let decomposed = composed.decomposedStringWithCanonicalMapping
        let ideographic = decomposed.replacing(" ", with: "\u{3000}")
        var vectors = [
            base, base.same("decomposed", ["source": Hex.encode(Array(decomposed.utf8))]),
            base.same("with other spaces", ["source": Hex.encode(Array(ideographic.utf8))]),
        ]
        let refused: [(String, [UInt8])] = [
            ("a control character", Array("\(composed)\t".utf8)),
            ("an unassigned one", Array("\u{378}".utf8)),
            ("a line separator", Array("a\u{2028}b".utf8)), ("Latin-1", [0x47, 0x72, 0xF6, 0xDF, 0x65]),
            ("a surrogate", [0xED, 0xA0, 0x80]),
        ]
        vectors += try refused.map {
            try base.refused(
                "with \($0.0)", "invalid_input", why: "passphrase", ["source": Hex.encode($0.1)])
        }
        vectors.append(
            try base.refused(
                "in capitals", "locked", why: "commitment",
                ["source": Hex.encode(Array(composed.uppercased().utf8))]))
        return vectors
    }

    private static func damaged(_ base: Vector) throws -> [Vector] {
        let wrapped = try base.bytes("wrapped")
        var vectors = try wrapped.indices.map { index in
            let why =
                switch index {
                case 0...3: "malformed"
                case 4...7: "key version"
                case 8...63: "commitment"
                default: "tag"
                }
            return try base.refused(
                "byte \(index) flipped", why == "commitment" ? "locked" : "integrity", why: why,
                ["wrapped": Hex.encode(wrapped.flipped(at: index))])
        }
        for count in [0, 79, 80, 111] {
            vectors.append(
                try base.refused(
                    "cut to \(count)", "integrity", why: "malformed",
                    ["wrapped": Hex.encode(wrapped.prefix(count))]))
        }
        return vectors
    }

    private static func misplaced(_ base: Vector, _ line: [UInt8]) throws -> [Vector] {
        let stranger = Chosen.bytes("another key file", 32)
        var vectors = try [
            base.refused(
                "another vault", "locked", why: "commitment", ["vault": Hex.encode(Chosen.bytes("v2", 16))]),
            base.refused(
                "another slot id", "locked", why: "commitment", ["slot": Hex.encode(Chosen.bytes("s", 16))]),
            base.refused("another epoch in its row", "integrity", why: "key version", ["epoch": "4"]),
            base.refused("another key file", "locked", why: "commitment", ["source": Hex.encode(stranger)]),
            [
                "name": "raw key file: its key as a credential", "of": "raw key file", "expect": "opens",
                "source_kind": "3",
            ],
            base.refused("its key as a passphrase", "locked", why: "kind", ["source_kind": "2"]),
            base.refused("relabelled as a credential", "locked", why: "commitment", ["kind": "3"]),
            base.refused("with parameters", "integrity", why: "malformed", ["parameters": "00"]),
            base.refused(
                "a slot id of 15 bytes", "integrity", why: "malformed",
                ["slot": "000102030405060708090a0b0c0d0e"]),
        ]
        let misspelled: [(String, [UInt8])] = [
            ("empty", []), ("31 bytes", Array(stranger.dropLast())), ("33 bytes", stranger + [0]),
            ("more around it than an editor puts", line + [UInt8](repeating: 10, count: 65)),
            ("a blank before it", [32] + line),
            ("a line break within", line.prefix(40) + [10] + line.dropFirst(40)),
            ("a blank for its last character", line.dropLast() + [32]),
            ("UTF-16", [0xFF, 0xFE] + line.flatMap { [$0, 0] }), ("blanks alone", Array(" \r\n".utf8)),
            ("a recovery key's label", Array("TOKENVAULT-RECOVERY-1 ".utf8) + line.dropFirst(17)),
            ("padding", line + Array("=".utf8)),
            ("a lower-case label", Array("tokenvault-key-1 ".utf8) + line.dropFirst(17)),
            ("another version", Array("TOKENVAULT-KEY-2 ".utf8) + line.dropFirst(17)),
            ("spare bits", line.dropLast() + Array("_".utf8)), ("one character less", Array(line.dropLast())),
            ("the other alphabet", line.dropLast(2) + Array("+A".utf8)),
            ("octets outside ASCII", line.prefix(17) + [UInt8](repeating: 0xFF, count: 42) + Array("8".utf8)),
            ("much more", line + Chosen.bytes("more", 5000)),
        ]
        vectors += try misspelled.map {
            try base.refused(
                "key file with \($0.0)", "invalid_input", why: "key file", ["source": Hex.encode($0.1)])
        }
        return vectors
    }

    private static func cheapened(_ base: Vector) throws -> [Vector] {
        func edited(_ name: String, _ parameters: [UInt8]) throws -> Vector {
            try base.refused(name, "integrity", why: "malformed", ["parameters": Hex.encode(parameters)])
        }
        return try [
            edited("fewer passes than the floor", argon2id(passes: 2)),
            edited("more passes than the ceiling", argon2id(passes: 11)),
            edited("less memory than the floor", argon2id(memoryKiB: 64 * 1024 - 1)),
            edited("more memory than the ceiling", argon2id(memoryKiB: 1024 * 1024 + 1)),
            edited("another algorithm", [2] + argon2id().dropFirst()),
            edited("a short salt", Array(argon2id().dropLast())), edited("a long salt", argon2id() + [0]),
            edited("no parameters", []),
            base.refused(
                "more passes than written", "locked", why: "commitment",
                ["parameters": Hex.encode(argon2id(passes: 4))]),
            base.refused(
                "another salt", "locked", why: "commitment",
                ["parameters": Hex.encode(argon2id().flipped(at: 24))]),
            base.refused(
                "another passphrase", "locked", why: "commitment",
                ["source": Hex.encode(Array("correct horse battery stable".utf8))]),
            base.refused("an empty passphrase", "invalid_input", why: "passphrase", ["source": ""]),
            base.refused(
                "an endless passphrase", "invalid_input", why: "passphrase",
                ["source": Hex.encode([UInt8](repeating: 65, count: 1025))]),
        ]
    }

    static func argon2id(passes: UInt8 = 3, memoryKiB: UInt32 = 64 * 1024) -> [UInt8] {
        [1, 0, 0, 0, passes] + withUnsafeBytes(of: memoryKiB.bigEndian) { Array($0) }
            + Chosen.bytes("salt", 16)
    }
}
