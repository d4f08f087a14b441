import VaultCore
package import VaultCrypto

/// The keys that tag rows: each role's its own, so that a process with one role's keys can write no row of another's.
package final class RowTags: Sendable {
    package let common: RowKeys
    /// By number of the role.
    private let keys: [RowKeys?]
    /// What is read is compared with it, too; nil: by those who look at single rows.
    package let roster: LiveRoster?

    package init(_ other: RowTags, roster: LiveRoster) {
        (common, keys, self.roster) = (other.common, other.keys, roster)
    }

    package init(_ keys: [KeyRole: RowKeys]) {
        roster = nil
        guard let common = keys[.common] else { preconditionFailure("every keyring holds the common key") }
        self.common = common
        self.keys = KeyRole.allCases.map { keys[$0] }
    }

    /// Nil: the role's keys are not held.
    package subscript(role: KeyRole) -> RowKeys? { keys[Int(role.rawValue)] }

    /// The key of a row whose value in a column of the layout `column` gives.
    ///
    /// - Throws: ``VaultError/Code/denied`` for a role that is not held.
    package func key(of layout: TableLayout, _ column: (Int) -> SQLValue) throws -> RowKeys {
        var role = layout.role
        if let index = layout.roleColumn, case .integer(let number) = column(index) {
            // A role that there is not: no key made the tag, as the common one will say.
            role = KeyRole(rawValue: number) ?? .common
        }
        guard let key = self[role] else { throw VaultError.needs(role) }
        return key
    }

    /// Without the keys before.
    package var current: RowTags {
        RowTags(
            Dictionary(
                uniqueKeysWithValues: KeyRole.allCases.compactMap { role in
                    self[role].map { (role, RowKeys($0.current)) }
                }))
    }

    /// The ids of the current keys: another set after each rotation.
    package var currentIDs: [UInt8?] { keys.map { $0?.current.id } }

    /// Whether rows may still be tagged by a key of before.
    package var isRotating: Bool { keys.contains { $0?.retired.isEmpty == false } }
}

/// What tags rows, or finds them by a value: the current key, and those before while rows may still be tagged by them.
package final class RowKeys: Sendable {
    package let current: TagKey
    package let retired: [TagKey]

    package init(_ current: TagKey, retired: [TagKey] = []) {
        self.current = current
        self.retired = retired
    }

    /// The tag of a row about to be written.
    func rowTag(over bytes: UnsafeRawBufferPointer) -> [UInt8] { current.rowTag(over: bytes) }

    /// Whether a stored tag is the one that these bytes ask for.
    func isTag(_ stored: UnsafeRawBufferPointer, of bytes: UnsafeRawBufferPointer) -> Bool {
        current.isRowTag(stored, over: bytes) || retired.contains { $0.isRowTag(stored, over: bytes) }
    }

    /// The tag of a value about to be written.
    package func tag(_ purpose: TagPurpose, of bytes: [UInt8]) -> [UInt8] { current.tag(purpose, of: bytes) }

    /// Every tag under which the value may be found, the current one first.
    package func tags(_ purpose: TagPurpose, of bytes: [UInt8]) -> [[UInt8]] {
        [tag(purpose, of: bytes)] + retired.map { $0.tag(purpose, of: bytes) }
    }
}
