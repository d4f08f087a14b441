import Testing
import VaultCore
@_spi(ChosenNonce) import VaultCrypto

/// Generates and opens `key-wrap.json`.
@Suite struct `Format vectors: key wrap` {
    @Test func `the file holds what this code makes`() throws {
        try VectorFile.compare("key-wrap.json", format: "key wrap, suite 1", Self.generate())
    }

    @Test(.readsVectors) func `every vector opens or is refused as it says`() throws {
        for vector in try VectorFile.load("key-wrap.json") { try Self.check(vector) }
    }

    @Test(.readsVectors) func `wraps built by hand, with the keys at hand, are refused`() throws {
        for vector in try VectorFile.load("forged.json") where vector["kind"] == "wrap" {
            try Self.check(vector)
        }
    }

    static func check(_ vector: Vector) throws {
        let record = try vector.bytes("record")
        let wrapping = try vector.key()
        let epoch = try vector.number("epoch", UInt32.self)
        let place = try vector.place()
        var unwrapped: [UInt8]?
        let code = refusal {
            unwrapped = try KeyWrap.unwrap(record, with: wrapping, epoch: epoch, for: place).exposed
        }
        if vector["expect"] == "opens" {
            #expect(try unwrapped == vector.bytes("wrapped_key"), vector.title)
        } else {
            #expect(code?.rawValue == vector["expect"], vector.title)
        }
    }

    private static func generate() throws -> [Vector] {
        let base = try wrapped("an owner key", .place(domain: "tv.owner-key", table: 1, column: 2), epoch: 1)
        let record = try base.bytes("record")
        var vectors = [
            base,
            try wrapped(
                "the ends of every range",
                .place(
                    domain: "tv.owner-key", owner: .max, table: .max, column: .max, row: .max,
                    generation: .max),
                epoch: .max),
        ]
        for index in record.indices {
            let why =
                switch index {
                case 0...3: "malformed"
                case 4...7: "key version"
                case 8...63: "commitment"
                default: "tag"
                }
            vectors.append(
                try base.refused(
                    "byte \(index) flipped", "integrity", why: why,
                    ["record": Hex.encode(record.flipped(at: index))]))
        }
        for other in [Array(record.dropLast()), record + [0], []] {
            vectors.append(
                try base.refused(
                    "\(other.count) bytes", "integrity", why: "malformed", ["record": Hex.encode(other)]))
        }
        let elsewhere: [(String, Vector)] = [
            ("another domain", ["domain": "tv.field"]),
            ("another vault", ["vault": Hex.encode(Chosen.bytes("vault 2", 16))]),
            ("another owner", ["owner": "8"]), ("another row", ["row": "43"]),
            ("another table", ["table": "4"]),
            ("another column", ["column": "6"]), ("another generation", ["generation": "10"]),
            ("another wrapping key", ["key": Hex.encode(Chosen.bytes("another wrapping key", 32))]),
        ]
        vectors += try elsewhere.map { try base.refused($0.0, "integrity", why: "commitment", $0.1) }
        vectors.append(try base.refused("another epoch", "integrity", why: "key version", ["epoch": "2"]))
        return try vectors + places()
    }

    /// Where a vault keeps wraps. Rows of roles: role · 4 + wrapper, 0 the root key, 1 issuer, 2 keeper, 3 custody.
    private static func places() throws -> [Vector] {
        func place(
            _ table: UInt16, _ column: UInt16, _ row: Int64, owner: Int64 = 1, _ generation: UInt64 = 0
        )
            -> Vector
        {
            .place(
                domain: "tokenvault.wrap", owner: owner, table: table, column: column, row: row,
                generation: generation)
        }
        let issuer = try wrapped("the issuer key under the root key", place(19, 6, 4, 2), epoch: 3)
        let common = try wrapped("the common key under the keeper key", place(19, 6, 2, 5), epoch: 2)
        let owner = try wrapped("an owner's keeper key", place(20, 5, 30, owner: 7), epoch: 2)
        let held = try wrapped(
            "a held slot key, a key file's for the issuer", place(18, 2, 3, 65537), epoch: 3)
        return try [
            issuer, common, owner, held,
            try wrapped("the issuer key under its next one", place(19, 6, 5, 2), epoch: 3),
            try wrapped("an owner's keeper key of before", place(20, 8, 30, owner: 7), epoch: 2),
            try wrapped("a system key", place(2, 5, 9), epoch: 2),
            issuer.refused("as the keeper key", "integrity", why: "commitment", ["row": "8"]),
            issuer.refused(
                "as the one of another epoch", "integrity", why: "commitment", ["generation": "3"]),
            common.refused("as wrapped by the issuer key", "integrity", why: "commitment", ["row": "1"]),
            owner.refused("as the issuer key of that owner", "integrity", why: "commitment", ["row": "29"]),
            held.refused(
                "as of a slot for everything", "integrity", why: "commitment", ["generation": "65536"]),
            held.refused(
                "as of a recovery slot for the issuer", "integrity", why: "commitment",
                ["generation": "262145"]),
        ]
    }

    private static func wrapped(_ name: String, _ place: Vector, epoch: UInt32) throws -> Vector {
        let vector = place.with([
            "name": name, "expect": "opens", "key": Hex.encode(Chosen.bytes("wrapping \(name)", 32)),
            "epoch": "\(epoch)", "wrapped_key": Hex.encode(Chosen.bytes("wrapped \(name)", 32)),
        ])
        let record = try KeyWrap.wrap(
            vector.key("wrapped_key"), under: vector.key(), epoch: epoch, for: vector.place(),
            nonce: Chosen.bytes("nonce \(name)", 24))
        return vector.with(["record": Hex.encode(record)])
    }
}
