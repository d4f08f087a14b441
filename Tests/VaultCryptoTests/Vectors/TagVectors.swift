import Testing
import VaultCore
import VaultCrypto

/// Generates and compares `tags.json`: everything that is computed and compared, not opened.
@Suite struct `Format vectors: tags, hashes and associated data` {
    @Test func `the file holds what this code makes`() throws {
        try VectorFile.compare("tags.json", format: "tags, hashes and associated data", Self.generate())
    }

    private static func generate() throws -> [Vector] {
        let key = try Chosen.key("tag key")
        let tagKey = TagKey(id: 1, key: key)
        var vectors: [Vector] = []
        func add(_ name: String, _ kind: String, _ result: [UInt8], _ values: Vector) {
            vectors.append(
                values.with(["name": name, "kind": kind, "expect": "equal", "result": Hex.encode(result)]))
        }
        let keyed = ["key": Hex.encode(key.exposed)]
        for purpose in TagPurpose.allCases {
            let value = Chosen.bytes("value of \(purpose.rawValue)", 43)
            add(
                "tag \(purpose.rawValue)", "tag", tagKey.tag(purpose, of: value),
                keyed.with(["purpose": purpose.rawValue, "value": Hex.encode(value)]))
        }
        add(
            "tag of nothing", "tag", tagKey.tag(.userName, of: []),
            keyed.with(["purpose": TagPurpose.userName.rawValue, "value": ""]))
        for count in [0, 1, 128, 500] {
            let row = Chosen.bytes("row \(count)", count)
            add(
                "row tag, \(count) bytes", "row tag", row.withUnsafeBytes(tagKey.rowTag),
                keyed.with(["value": Hex.encode(row)]))
        }
        let set = RowSetKey(key)
        let stamp = Chosen.bytes("stamp", 16)
        for count in [0, 1, 5] {
            let rows = try (0..<count).map { index in
                let hash = try #require(Digest(bytes: Chosen.bytes("row hash \(index)", 32)))
                return (table: UInt16(index + 1), id: Int64(index) * 7 - 1, hash: hash)
            }
            let sum = rows.reduce(Digest.zero) { $0 ^ set.element(table: $1.table, id: $1.id, hash: $1.hash) }
            add(
                "set of \(count) rows", "row set", set.mask(sum, nonce: stamp).bytes,
                keyed.with([
                    "stamp": Hex.encode(stamp),
                    "rows": rows.map { "\($0.table) \($0.id) \(Hex.encode($0.hash.bytes))" }.joined(
                        separator: ","),
                ]))
        }
        let secret = Array("tv_cs_".utf8) + Base64URL.encode(Chosen.bytes("client secret", 32))
        add(
            "client secret", "client secret", tagKey.tag(.clientSecret, of: SecretBytes(secret)),
            keyed.with(["value": Hex.encode(secret)]))
        add(
            "token fingerprint", "fingerprint", TokenFingerprint.of(SecretBytes(secret)),
            ["value": Hex.encode(secret)])
        for place in [
            Vector.place(),
            .place(domain: "", owner: .min, table: 0, column: .max, row: -1, generation: .max),
            .place(domain: "tv.sixteen.bytes", owner: .max, table: .max, column: 0, row: .max, generation: 0),
        ] {
            add("associated data \(vectors.count)", "associated data", try place.place().bytes, place)
        }
        return vectors
    }
}
