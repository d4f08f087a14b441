/// A Swift value for the rows of one tagged table.
protocol TypedRow: Sendable {
    static var layout: TableLayout { get }
    var rowID: Int64 { get }
    /// In the order of the layout.
    var columns: [SQLValue] { get }
    /// Of a grant: the day in its `expires_day`, which the leaf repeats; nil for every other row.
    var lastDay: Int64? { get }
    /// - Throws: ``VaultError/Code/integrity`` when the columns do not have this type's shape.
    init(_ row: StoredRow) throws
}

extension TypedRow {
    var lastDay: Int64? { nil }

    /// Where a column stands, for the AAD of what is sealed in it: from 1, in the order of the layout.
    static func columnNumber(_ name: String) -> UInt16 {
        guard let index = layout.columns.firstIndex(of: name) else {
            preconditionFailure("no column \(name) in \(layout.name)")
        }
        return UInt16(index + 1)
    }
}
