package import VaultCore

/// A row that is not where it must be: a page of the database was lost or written to another place. No user
/// who asks for it is at fault, so it must not look like a row that was never there.
package enum LostRow {
    package static func error(_ layout: TableLayout, _ id: Int64) -> VaultError {
        error("Row \(id) of \(layout.name) is not where it must be")
    }

    /// An index that does not show what its table has.
    package static func unindexed(_ layout: TableLayout) -> VaultError {
        error("An index of \(layout.name) is not what its table says")
    }

    /// A row that is genuine, but not the newest of its place, or deleted since.
    package static func outdated(_ layout: TableLayout, _ id: Int64) -> VaultError {
        VaultError(
            .integrity,
            "Row \(id) of \(layout.name) is not the newest: an earlier one was put back.",
            remedy: "Verify the audit log to see what is affected, then restore a backup.")
    }

    private static func error(_ what: String) -> VaultError {
        VaultError(
            .integrity, what + ": the database file is damaged.",
            remedy: "Stop the service, keep a copy of the file, and restore a backup.")
    }
}
