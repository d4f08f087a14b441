import Testing
import VaultCore
@_spi(ChosenNonce) import VaultCrypto

/// Generates and opens `token-handle.json`.
@Suite struct `Format vectors: token handle` {
    @Test func `the file holds what this code makes`() throws {
        try VectorFile.compare("token-handle.json", format: "token handle", Self.generate())
    }

    @Test(.readsVectors) func `every vector opens or is refused as it says`() throws {
        for vector in try VectorFile.load("token-handle.json") {
            let token = SecretBytes(copying: try vector.value("token"))
            let opened = try Self.sealer(of: vector).open(token, as: Self.kind(of: vector))
            #expect(
                try opened == (vector["expect"] == "opens" ? Self.handle(of: vector) : nil),
                vector.title)
        }
    }

    private static func generate() throws -> [Vector] {
        let base = try issued("refresh token", .refreshToken, grant: 77, generation: 9)
        let vectors = [
            try issued("access token", .accessToken, grant: 1, generation: 1, keyID: 0),
            try issued("authorization code", .authorizationCode, grant: .max, generation: 0),
            try issued("the last generation", .refreshToken, grant: .min, generation: .max, keyID: 255),
            try issued("the first minute", .accessToken, grant: 1, generation: 1, minutes: 0, 0),
            try issued("the last minute", .accessToken, grant: 1, generation: 1, minutes: .max, .max),
            base,
        ]
        return try vectors + damaged(base) + misspelled(base) + unlike(base)
    }

    private static func damaged(_ base: Vector) throws -> [Vector] {
        let token = try base.value("token")
        guard let sealed = Base64URL.decode(token.utf8.dropFirst(6)) else { throw Missing.value("token") }
        let flipped = try sealed.indices.map { index in
            try base.refused(
                "byte \(index) flipped", "refused", why: index == 0 ? "key id" : "tag",
                ["token": "tv_rt_" + Base64URL.encodeToString(sealed.flipped(at: index))])
        }
        let elsewhere = try [
            base.refused(
                "another vault", "refused", why: "tag", ["vault": Hex.encode(Chosen.bytes("vault 2", 16))]),
            base.refused(
                "another key", "refused", why: "tag", ["key": Hex.encode(Chosen.bytes("key 2", 32))]),
            base.refused("another key id", "refused", why: "key id", ["key_id": "2"]),
            base.refused(
                "passed off as an access token", "refused", why: "tag",
                ["token": "tv_at_" + token.dropFirst(6), "kind": "1"]),
            base.refused("offered as an access token", "refused", why: "spelling", ["kind": "1"]),
        ]
        return flipped + elsewhere
    }

    private static func misspelled(_ base: Vector) throws -> [Vector] {
        let token = try base.value("token")
        let spellings: [(String, String)] = [
            ("empty", ""), ("the prefix alone", "tv_rt_"), ("one character less", String(token.dropLast())),
            ("four characters less", String(token.dropLast(4))),
            ("92 characters behind the prefix", String(token.prefix(98))),
            ("140 characters behind the prefix", token + String(repeating: "A", count: 36)),
            ("one character more", token + "A"),
            ("four characters more", token + "AAAA"), ("with padding", token.dropLast() + "="),
            ("with a newline", token + "\n"), ("the other alphabet", token.dropLast(2) + "+/"),
            ("an upper-case prefix", "TV_RT_" + token.dropFirst(6)),
            ("without prefix", String(token.dropFirst(6))),
            ("a space in front", " " + token), ("not ASCII", token.dropLast(2) + "é"),
        ]
        return try spellings.map { try base.refused($0.0, "refused", why: "spelling", ["token": $0.1]) }
    }

    /// Authentic under the key, and no handle: nothing but an owner of the key can make these.
    private static func unlike(_ base: Vector) throws -> [Vector] {
        func refused(_ name: String, why: String, _ fields: Vector, reserved: UInt8 = 0) throws -> Vector {
            let vector = base.with(fields)
            let token = try sealer(of: vector).seal(
                handle(of: vector), nonce: Chosen.bytes("nonce \(name)", 24), reserved: reserved)
            return try base.refused(name, "refused", why: why, fields.with(["token": token.text]))
        }
        return try [
            refused("the reserved octet is 1", why: "reserved", [:], reserved: 1),
            refused("the reserved octet is 255", why: "reserved", [:], reserved: 255),
            refused(
                "the end a minute before the issue", why: "times", ["issued": "29833334", "ends": "29833333"]),
            refused("the end in the first minute", why: "times", ["issued": "1", "ends": "0"]),
        ]
    }

    private static func issued(
        _ name: String, _ kind: TokenKind, grant: Int64, generation: UInt32, keyID: UInt8 = 1,
        minutes issued: UInt32 = 29_833_333, _ ends: UInt32 = 29_876_534
    ) throws -> Vector {
        let vector: Vector = [
            "name": name, "expect": "opens", "vault": Hex.encode(Chosen.bytes("vault", 16)),
            "key_id": "\(keyID)",
            "key": Hex.encode(Chosen.bytes("handle key", 32)), "kind": "\(kind.rawValue)",
            "grant": "\(grant)",
            "generation": "\(generation)", "family_secret": Hex.encode(Chosen.bytes("family \(name)", 16)),
            "issued": "\(issued)", "ends": "\(ends)",
        ]
        let token = try sealer(of: vector).seal(handle(of: vector), nonce: Chosen.bytes("nonce \(name)", 24))
        return vector.with(["token": token.text])
    }

    private static func sealer(of vector: Vector) throws -> HandleSealer {
        let keyID = try vector.number("key_id", UInt8.self)
        return try HandleSealer(vault: vector.vault(), keys: [keyID: vector.key()], current: keyID)
    }

    private static func kind(of vector: Vector) throws -> TokenKind {
        guard let kind = TokenKind(rawValue: try vector.number("kind")) else { throw Missing.value("kind") }
        return kind
    }

    private static func handle(of vector: Vector) throws -> TokenHandle {
        TokenHandle(
            kind: try kind(of: vector), grant: GrantID(try vector.number("grant")),
            generation: try vector.number("generation"), familySecret: try vector.bytes("family_secret"),
            issued: try vector.number("issued"), ends: try vector.number("ends"))
    }
}
