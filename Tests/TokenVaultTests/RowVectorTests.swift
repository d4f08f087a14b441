import Foundation
import Testing
import TokenVault
import VaultCore
import VaultCrypto
import VaultStore

/// Generates and compares `row.json`: canonical bytes, hash and tag of rows, and rows that are not what their tag was
/// made over.
@Suite struct `Format vectors: rows` {
    @Test func `the file holds what this code makes`() throws {
        try VectorFile.compare("row.json", format: "rows", Self.generate())
    }

    /// A row, whose columns a negative vector changes.
    private struct Row {
        var layout: TableLayout
        var id: Int64 = 42
        var columns: [SQLValue]
        var leaf: Int64?

        var canonical: CanonicalRow { CanonicalRow(layout, id: id, columns: columns, leaf: leaf) }
    }

    private static func generate() throws -> [[String: String]] {
        let keyBytes = Array(0..<32).map { UInt8($0) }
        let key = TagKey(id: 1, key: try keyBytes.withUnsafeBytes { try GuardedKey(copying: $0) })
        var vectors: [[String: String]] = []
        func vector(_ name: String, _ row: Row, tag: [UInt8]) -> [String: String] {
            [
                "name": name, "key": Hex.encode(keyBytes), "table": "\(row.layout.number)",
                "row": "\(row.id)", "leaf": row.leaf.map { "\($0)" } ?? "none",
                "columns": row.columns.map(text).joined(separator: " "),
                "unhashed": row.layout.unhashed.map { "\($0 + 1)" }.joined(separator: " "),
                "tag": Hex.encode(tag),
            ]
        }
        func add(_ name: String, _ row: Row) {
            let canonical = row.canonical
            let hash = SHA256.hash(Array(canonical.bytes.prefix(canonical.hashed)))
            var vector = vector(name, row, tag: canonical.bytes.withUnsafeBytes(key.rowTag))
            vector["canonical"] = Hex.encode(canonical.bytes)
            vector["hash"] = Hex.encode(hash.bytes)
            vector["expect"] = "equal"
            vectors.append(vector)
        }
        /// A row found with the tag of other bytes.
        func refuse(_ name: String, _ row: Row, taggedAs bytes: [UInt8]) {
            var vector = vector(name, row, tag: bytes.withUnsafeBytes(key.rowTag))
            (vector["expect"], vector["why"]) = ("integrity", "tag")
            vectors.append(vector)
        }

        let types = TableLayout("types", 999, ["a", "b", "c", "d", "e"], unhashed: ["b", "d"])
        let row = Row(
            layout: types,
            columns: [.integer(-1), .integer(.max), .text("é, and more"), .blob([0, 255]), .null], leaf: 7)
        add("each type", row)
        add("nulls only", Row(layout: types, columns: Array(repeating: .null, count: 5), leaf: 0))
        add(
            "empty values",
            Row(
                layout: types, id: -1, columns: [.text(""), .blob([]), .integer(0), .null, .blob([])],
                leaf: .max))
        for layout in [TableLayout.owners, .clients, .grants, .connections] {
            add("as in \(layout.name)", Row(layout: layout, columns: values(layout), leaf: 1 << 40))
        }
        add("the vault", Row(layout: .vault, id: 1, columns: values(.vault), leaf: nil))
        // A column that was added later is null in every row of before.
        let narrow = TableLayout("types", 999, ["a", "b", "c", "d"], unhashed: ["b", "d"])
        add("before a column was added", Row(layout: narrow, columns: Array(row.columns.dropLast()), leaf: 7))

        func changed(_ change: (inout Row) -> Void) -> Row {
            var other = row
            change(&other)
            return other
        }
        let bytes = row.canonical.bytes
        refuse("another row", changed { $0.id = 43 }, taggedAs: bytes)
        refuse("another leaf", changed { $0.leaf = 8 }, taggedAs: bytes)
        refuse("no leaf", changed { $0.leaf = nil }, taggedAs: bytes)
        refuse(
            "another table",
            changed {
                $0.layout = TableLayout("others", 998, types.columns, unhashed: ["b", "d"])
            }, taggedAs: bytes)
        refuse("values swapped", changed { $0.columns.swapAt(0, 1) }, taggedAs: bytes)
        refuse("a value moved to another number", changed { $0.columns.swapAt(2, 4) }, taggedAs: bytes)
        refuse("a value made null", changed { $0.columns[3] = .null }, taggedAs: bytes)
        refuse("a null made zero", changed { $0.columns[4] = .integer(0) }, taggedAs: bytes)
        refuse(
            "a blob made text", changed { $0.columns[3] = .text("ab") },
            taggedAs: changed { $0.columns[3] = .blob([97, 98]) }.canonical.bytes)
        // What a writer of another form would tag.
        let hashed = row.canonical.hashed
        refuse("a null spelled out", row, taggedAs: Array(bytes[..<hashed]) + [5, 0] + bytes[hashed...])
        let plain = CanonicalRow(
            TableLayout("types", 999, types.columns), id: row.id, columns: row.columns, leaf: row.leaf)
        refuse("unhashed columns among the others", row, taggedAs: plain.bytes)
        return vectors
    }

    /// A value for each column, of every type in turn.
    private static func values(_ layout: TableLayout) -> [SQLValue] {
        layout.columns.indices.map { index in
            switch index % 4 {
            case 0: .integer(Int64(index) << 33)
            case 1: .text("value \(index)")
            case 2: .blob(Array(repeating: UInt8(index), count: index * 9))
            default: .null
            }
        }
    }

    private static func text(_ value: SQLValue) -> String {
        switch value {
        case .null: "null"
        case .integer(let number): "integer:\(number)"
        case .text(let text): "text:" + Hex.encode(Array(text.utf8))
        case .blob(let bytes): "blob:" + Hex.encode(bytes)
        }
    }
}
