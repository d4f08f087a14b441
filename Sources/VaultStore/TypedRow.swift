package import VaultCore
import VaultCrypto

/// A Swift value for the rows of one tagged table.
package protocol TypedRow: Identifiable, Sendable {
    static var layout: TableLayout { get }
    var rowID: Int64 { get }
    /// In the order of the layout.
    var columns: [SQLValue] { get }
    /// - Throws: ``VaultError/Code/integrity`` when the columns do not have this type's shape.
    init(_ row: StoredRow) throws
}

extension TypedRow where ID == Int64 { package var rowID: Int64 { id } }
extension TypedRow where ID: RowNumber { package var rowID: Int64 { id.rawValue } }

extension TypedRow {
    package static func columnNumber(_ name: String) -> UInt16 { layout.columnNumber(name) }
}

/// Takes the columns of a ``StoredRow`` one by one, in the order of its layout.
package struct ColumnReader {
    private let columns: [SQLValue]
    private let id: Int64
    private let layout: TableLayout
    private var index = 0

    package init(_ row: StoredRow) {
        columns = row.columns
        id = row.id
        layout = row.layout
    }

    package mutating func integer() throws -> Int64 {
        guard case .integer(let value) = next() else { throw malformed }
        return value
    }

    package mutating func optionalInteger() throws -> Int64? { takesNull() ? nil : try integer() }

    package mutating func instant() throws -> VaultInstant {
        VaultInstant(millisecondsSince1970: try integer())
    }

    package mutating func optionalInstant() throws -> VaultInstant? {
        try optionalInteger().map(VaultInstant.init(millisecondsSince1970:))
    }

    package mutating func text() throws -> String {
        guard case .text(let value) = next() else { throw malformed }
        return value
    }

    package mutating func optionalText() throws -> String? { takesNull() ? nil : try text() }

    package mutating func blob() throws -> [UInt8] {
        guard case .blob(let value) = next() else { throw malformed }
        return value
    }

    package mutating func optionalBlob() throws -> [UInt8]? { takesNull() ? nil : try blob() }

    /// An integer that stands for a case of `Kind`.
    @inlinable package mutating func kind<Kind: RawRepresentable>(_: Kind.Type = Kind.self) throws -> Kind
    where Kind.RawValue == Int64 {
        guard let value = Kind(rawValue: try integer()) else { throw malformed }
        return value
    }

    /// A text that stands for a case of `Kind`.
    @inlinable package mutating func kind<Kind: RawRepresentable>(_: Kind.Type = Kind.self) throws -> Kind
    where Kind.RawValue == String {
        guard let value = Kind(rawValue: try text()) else { throw malformed }
        return value
    }

    package mutating func scope() throws -> ScopeSet {
        guard let scope = ScopeSet(stored: try text()) else { throw malformed }
        return scope
    }

    /// Passes over a column that must be null.
    package mutating func skip() throws {
        guard takesNull() else { throw malformed }
    }

    private mutating func takesNull() -> Bool {
        guard index < columns.count, case .null = columns[index] else { return false }
        index += 1
        return true
    }

    private mutating func next() -> SQLValue? {
        defer { index += 1 }
        return index < columns.count ? columns[index] : nil
    }

    @usableFromInline var malformed: VaultError {
        VaultError(
            .integrity, "Row \(id) of \(layout.name) does not have the form of this version.",
            remedy: "If a newer TokenVault wrote it, use that version.")
    }
}

extension SQLValue {
    package init(_ instant: VaultInstant?) { self.init(instant?.millisecondsSince1970) }
}

/// Numbers in the AAD of sealed fields, where they are of no tagged table, and domains of all.
package enum SealedTable {
    package static let auditPersonal: UInt16 = 7
    /// The cookie of a sign-in session: of its table's one kind of value, but not in it.
    package static let signInCookies: UInt16 = 12
    /// State that others keep for us for a while; no table at all.
    package static let sealedState: UInt16 = 13

    /// The domain of every sealed field of the database; key wraps have their own.
    package static let fieldDomain = "tokenvault.field"
    package static let wrapDomain = "tokenvault.wrap"
}
