import TokenRotation
import VaultCore
import VaultCrypto

/// What the check of an access token needs of its grant, read from the row in place, its tag checked. Checks
/// outnumber refreshes by far, so nothing else of the row is built.
struct AccessTokenRow {
    let grant: GrantID
    let client: OwnerID
    let owner: OwnerID
    let ownerRevocations: Int64
    let clientRevocations: Int64
    let kind: GrantKind
    let familyTag: [UInt8]
    let tagKeyID: Int64
    let status: GrantStatus
    let generation: UInt32
    let swappedAt: VaultInstant
    /// The grant has a refresh token whose retry window is still open as far as the row knows.
    let awaitsFirstUse: Bool
    /// The token the grant gave at the presented generation, if it is remembered.
    let slot: AccessTokenSlot?

    /// - Parameter offset: of the grant's id in the query, which selects the whole row behind it.
    /// - Throws: ``VaultError/Code/integrity`` when the row's tag is not the one its columns ask for.
    init(
        reading cursor: RowCursor, at offset: Int, presented generation: UInt32, rowKey: RowKeys
    ) throws {
        try StoredRow.check(cursor, .grants, rowKey: rowKey, at: offset)
        func integer(_ column: Int) -> Int64 { cursor.integer(offset + column) }
        func isNull(_ column: Int) -> Bool { cursor.value(offset + column) == .null }
        grant = GrantID(integer(0))
        client = OwnerID(integer(Column.client))
        owner = OwnerID(integer(Column.owner))
        ownerRevocations = integer(Column.ownerRevocations)
        clientRevocations = integer(Column.clientRevocations)
        tagKeyID = integer(Column.tagKeyID)
        self.generation = UInt32(truncatingIfNeeded: integer(Column.generation))
        swappedAt = VaultInstant(millisecondsSince1970: integer(Column.swappedAt))
        awaitsFirstUse = isNull(Column.firstUsedAt) && !isNull(Column.pair)
        guard let kind = GrantKind(rawValue: integer(Column.kind)),
            let status = GrantStatus(rawValue: integer(Column.status)),
            case .blob(let familyTag) = cursor.value(offset + Column.familyTag)
        else { throw VaultError(.integrity, "Grant \(grant) does not have the shape of this version.") }
        self.kind = kind
        self.status = status
        self.familyTag = familyTag
        let first = generation == self.generation ? Column.accessScope : Column.previousAccessScope
        slot = AccessTokenSlot(cursor, first: offset + first)
    }

    private enum Column {
        static let client = column("client_id")
        static let owner = column("owner_id")
        static let ownerRevocations = column("owner_revocations")
        static let clientRevocations = column("client_revocations")
        static let kind = column("kind")
        static let familyTag = column("family_tag")
        static let tagKeyID = column("tag_key_id")
        static let status = column("state")
        static let generation = column("generation")
        static let swappedAt = column("swapped_at")
        static let accessScope = column("access_scope")
        static let previousAccessScope = column("previous_access_scope")
        static let pair = column("pair")
        static let firstUsedAt = column("first_used_at")

        private static func column(_ name: String) -> Int { Int(GrantRow.columnNumber(name)) }
    }
}

extension AccessTokenSlot {
    /// Nil: the grant keeps no such token, or not in the shape of this version.
    fileprivate init?(_ cursor: RowCursor, first: Int) {
        guard case .text(let text) = cursor.value(first), let scope = ScopeSet(stored: text),
            case .blob(let tag) = cursor.value(first + 4)
        else { return nil }
        self.scope = scope
        if case .text(let name) = cursor.value(first + 1) { audience = name } else { audience = nil }
        issuedAt = VaultInstant(millisecondsSince1970: cursor.integer(first + 2))
        expiresAt = VaultInstant(millisecondsSince1970: cursor.integer(first + 3))
        self.tag = tag
    }
}
