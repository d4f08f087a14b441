import Testing
import VaultCore
@_spi(ChosenNonce) import VaultCrypto

/// Generates and opens `sealed-field.json`.
@Suite struct `Format vectors: sealed field` {
    @Test func `the file holds what this code makes`() throws {
        try VectorFile.compare("sealed-field.json", format: "sealed field, suite 1", Self.generate())
    }

    @Test(.readsVectors) func `every vector opens or is refused as it says`() throws {
        for vector in try VectorFile.load("sealed-field.json") { try Self.check(vector) }
    }

    @Test(.readsVectors) func `records built by hand, with the keys at hand, are refused`() throws {
        for vector in try VectorFile.load("forged.json") where vector["kind"] == "field" {
            try Self.check(vector)
        }
    }

    static func check(_ vector: Vector) throws {
        let key = OwnerKey(version: try vector.number("key_version"), key: try vector.key())
        let record = try vector.bytes("record")
        let limit = try vector["limit"] == nil ? Limits.sealedFieldBytes : vector.number("limit")
        let place = try vector.place()
        var plaintext: [UInt8]?
        let code = refusal {
            plaintext = try SealedField.open(record, with: key, for: place, limit: limit)
        }
        if vector["expect"] == "opens" {
            #expect(try plaintext == vector.bytes("plaintext"), vector.title)
        } else {
            #expect(code?.rawValue == vector["expect"], vector.title)
        }
    }

    static func generate() throws -> [Vector] {
        var vectors: [Vector] = []
        for (count, padded) in [
            (0, false), (32, false), (0, true), (255, true), (256, true), (4095, true), (4096, true),
        ] {
            vectors.append(
                try sealed("\(count) bytes\(padded ? ", padded" : "")", count, padded, .place()))
        }
        vectors.append(
            try sealed(
                "the ends of every range", 5, false,
                .place(
                    domain: "tv.sixteen.bytes", owner: .max, table: .max, column: .max, row: .min,
                    generation: .max),
                version: .max))
        let base = try sealed("17 bytes", 17, false, .place())
        vectors.append(base)
        return try vectors + damaged(base) + moved(base) + damagedPadding()
    }

    private static func sealed(
        _ name: String, _ count: Int, _ padded: Bool, _ place: Vector, version: UInt32 = 1
    ) throws -> Vector {
        let plaintext = Chosen.bytes("plaintext \(name)", count)
        let vector = place.with([
            "name": name, "expect": "opens", "key": Hex.encode(Chosen.bytes("key \(name)", 32)),
            "key_version": "\(version)", "plaintext": Hex.encode(plaintext),
        ])
        let record = try SealedField.seal(
            plaintext, under: OwnerKey(version: version, key: vector.key()), for: vector.place(),
            padded: padded,
            nonce: Chosen.bytes("nonce \(name)", 24))
        return vector.with(["record": Hex.encode(record)])
    }

    private static func damaged(_ base: Vector) throws -> [Vector] {
        let record = try base.bytes("record")
        var vectors: [Vector] = []
        for index in record.indices {
            let why =
                switch index {
                case 0...2: "malformed"
                case 4...7: "key version"
                case 3, 8...63: "commitment"
                default: "tag"
                }
            vectors.append(
                try base.refused(
                    "byte \(index) flipped", "integrity", why: why,
                    ["record": Hex.encode(record.flipped(at: index))]))
        }
        for count in record.indices {
            vectors.append(
                try base.refused(
                    "cut to \(count)", "integrity", why: count < 80 ? "malformed" : "tag",
                    ["record": Hex.encode(record.prefix(count))]))
        }
        vectors.append(
            try base.refused(
                "one byte more", "integrity", why: "tag", ["record": Hex.encode(record + [0])]))
        vectors.append(
            try base.refused("over the limit of its column", "integrity", why: "malformed", ["limit": "16"]))
        return vectors
    }

    private static func moved(_ base: Vector) throws -> [Vector] {
        let elsewhere: [(String, Vector)] = [
            ("another domain", ["domain": "tv.field2"]),
            ("another vault", ["vault": Hex.encode(Chosen.bytes("vault 2", 16))]),
            ("another owner", ["owner": "8"]), ("another table", ["table": "4"]),
            ("another column", ["column": "6"]), ("another row", ["row": "43"]),
            ("the generation before", ["generation": "8"]), ("the generation after", ["generation": "10"]),
            ("another owner's key", ["key": Hex.encode(Chosen.bytes("another owner's key", 32))]),
        ]
        let vectors = try elsewhere.map { try base.refused($0.0, "integrity", why: "commitment", $0.1) }
        return try vectors + [
            base.refused("another version of the key", "integrity", why: "key version", ["key_version": "2"])
        ]
    }

    /// In a padded record too, every byte counts.
    private static func damagedPadding() throws -> [Vector] {
        let base = try sealed("3 bytes, padded", 3, true, .place())
        let record = try base.bytes("record")
        return try [base]
            + [2, 3, 64, 67, 68, 319, 335].map { index in
                try base.refused(
                    "byte \(index) flipped", "integrity",
                    why: index == 2 ? "malformed" : index == 3 ? "commitment" : "tag",
                    ["record": Hex.encode(record.flipped(at: index))])
            }
    }
}
