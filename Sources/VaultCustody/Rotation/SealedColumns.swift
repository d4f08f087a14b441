import TokenVault
package import VaultCore
import VaultCrypto
package import VaultStore

/// Where a tagged table keeps sealed values, whose key under the table's role seals them, and what they are bound to.
struct SealedColumns: Sendable {
    let layout: TableLayout
    /// The column with the owner; nil: the system's.
    let owner: String?
    /// Sealed columns, each with the column that its AAD takes the generation from.
    let fields: [(column: String, generation: String?)]

    /// Everything but owners themselves and personal data of the log.
    static let all = [
        SealedColumns(
            layout: .grants, owner: "owner_id", fields: [("context", nil), ("pair", "generation")]),
        SealedColumns(
            layout: .connections, owner: "owner_id",
            fields: [
                ("details", nil), ("pair", "generation"), ("reply", "generation"), ("subject", nil),
            ]),
        SealedColumns(layout: .passwords, owner: "id", fields: [("verifier", "version")]),
        SealedColumns(layout: .authorizationRequests, owner: "owner_id", fields: [("secrets", nil)]),
        SealedColumns(layout: .signingKeys, owner: nil, fields: [("private_key", nil)]),
        SealedColumns(layout: .providers, owner: nil, fields: [("credentials", "revision")]),
        SealedColumns(layout: .webhooks, owner: nil, fields: [("secret", nil)]),
    ]

    func owner(of row: StoredRow) -> OwnerID {
        switch owner {
        case nil: .system
        case "id": OwnerID(row.id)
        case .some(let column):
            if case .integer(let id) = row[column] { OwnerID(id) } else { .system }
        }
    }

    /// What `column` of `row` is bound to.
    func context(_ field: (column: String, generation: String?), of row: StoredRow, _ keyring: Keyring)
        -> AssociatedData
    {
        var generation: UInt64 = 0
        if let column = field.generation, case .integer(let value) = row[column] {
            generation = UInt64(bitPattern: value)
        }
        return keyring.context(layout, field.column, row: row.id, of: owner(of: row), generation: generation)
    }
}

extension WriteTransaction {
    /// Writes a row again with other values in some columns, whatever its layout says may change. For
    /// rotations: the row means the same as before.
    func replace(_ layout: TableLayout, id: Int64, _ change: (inout [String: SQLValue]) throws -> Void) throws
    {
        let found = try database.firstRow(layout.selectByID, [.integer(id)]) {
            try StoredRow(reading: $0, layout, rowKey: keyring.rows)
        }
        guard let row = found else { return }
        var values = Dictionary(uniqueKeysWithValues: zip(layout.columns, row.columns))
        try change(&values)
        try rewrite(layout, id: id, layout.columns.map { values[$0] ?? .null })
    }
}

extension Vault {
    /// Puts values into columns that no operation of this version sets: for the proof that nothing loses them.
    ///
    /// - Parameter sealed: sealed under the key of `owner` first.
    package func put(
        _ values: [String: SQLValue], sealing sealed: [String: [UInt8]] = [:], of owner: OwnerID = .system,
        into layout: TableLayout, row id: Int64
    ) async throws {
        try await write { [operatorActor] transaction in
            try transaction.replace(layout, id: id) { columns in
                columns.merge(values) { $1 }
                for (column, plaintext) in sealed {
                    columns[column] = .blob(
                        try transaction.seal(
                            plaintext, owner: owner, table: layout.number,
                            column: layout.columnNumber(column), row: id))
                }
            }
            return Audited((), AuditEvent(.keyRewrap, by: operatorActor, reason: "sealed-anew"))
        }
    }
}

extension Database {
    /// Every row of a tagged table by its id, its tag checked.
    func forEachTagged(_ layout: TableLayout, _ keys: RowTags, _ body: (StoredRow) throws -> Void) throws {
        try forEachRow(layout.selectSQL + " ORDER BY id") { cursor in
            try body(StoredRow(reading: cursor, layout, rowKey: keys))
            return true
        }
    }
}
