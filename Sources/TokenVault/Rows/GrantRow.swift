package import TokenRotation
package import VaultCore
import VaultCrypto
import VaultStore

/// The grant type by which a grant was made.
public enum GrantKind: Int64, Sendable {
    case authorizationCode = 1
    case clientCredentials = 2
    /// An access token straight from the authorization endpoint (RFC 6749 section 4.2).
    case implicit = 3
}

/// What a grant row keeps of one access token.
struct AccessTokenSlot: Sendable {
    var scope: ScopeSet
    var audience: String?
    var issuedAt: VaultInstant
    var expiresAt: VaultInstant
    var tag: [UInt8]
}

/// One row of `grants`: one grant, whatever the number of its refreshes.
package struct GrantRow: Sendable {
    package let id: GrantID
    let client: OwnerID
    package let owner: OwnerID
    /// The owners' revocation counters when the grant was issued.
    let ownerRevocations: Int64
    let clientRevocations: Int64
    let kind: GrantKind
    let createdAt: VaultInstant
    let absoluteExpiresAt: VaultInstant
    let scope: ScopeSet
    /// Sealed ``GrantContext``.
    let context: [UInt8]?
    let familyTag: [UInt8]
    let tagKeyID: Int64
    package var status: GrantStatus
    var generation: UInt32
    var idleExpiresAt: VaultInstant
    /// On the serving clock.
    var swappedAt: VaultInstant
    var credentialTag: [UInt8]?
    var previousCredentialTag: [UInt8]?
    var access: AccessTokenSlot?
    var previousAccess: AccessTokenSlot?
    /// Sealed ``TokenPair``.
    var pair: [UInt8]?
    var firstUsedAt: VaultInstant?
    /// How often a refresh token that was replaced came back, and when last; nil: never.
    var staleUses: Int64?
    var lastStaleAt: VaultInstant?
    /// As stored.
    var knownExpiresDay: Int64 = 0

    /// The last day (since 1970) on which the grant can still matter. It never moves back, even
    /// where lifetimes are shortened: the row outlives the handles of all its tokens.
    var expiresDay: Int64 {
        let day: Int64 = 86_400_000
        var last = min(idleExpiresAt, absoluteExpiresAt)
        if let access { last = max(last, access.expiresAt) }
        return max(knownExpiresDay, last.millisecondsSince1970 / day)
    }
}

extension GrantRow: TypedRow {
    static let layout = TableLayout.grants

    init(_ row: StoredRow) throws {
        id = GrantID(row.id)
        var columns = ColumnReader(row)
        client = OwnerID(try columns.integer())
        owner = OwnerID(try columns.integer())
        ownerRevocations = try columns.integer()
        clientRevocations = try columns.integer()
        kind = try columns.kind()
        createdAt = try columns.instant()
        absoluteExpiresAt = try columns.instant()
        scope = try columns.scope()
        context = try columns.optionalBlob()
        familyTag = try columns.blob()
        tagKeyID = try columns.integer()
        status = try columns.kind()
        generation = UInt32(truncatingIfNeeded: try columns.integer())
        idleExpiresAt = try columns.instant()
        swappedAt = try columns.instant()
        credentialTag = try columns.optionalBlob()
        previousCredentialTag = try columns.optionalBlob()
        access = try AccessTokenSlot(&columns, of: scope)
        previousAccess = try AccessTokenSlot(&columns, of: scope)
        pair = try columns.optionalBlob()
        knownExpiresDay = try columns.integer()
        firstUsedAt = try columns.optionalInstant()
        staleUses = try columns.optionalInteger()
        lastStaleAt = try columns.optionalInstant()
    }

    var columns: [SQLValue] {
        var values: [SQLValue] = []
        values.reserveCapacity(Self.layout.columns.count)
        values += [
            .integer(client.rawValue), .integer(owner.rawValue), .integer(ownerRevocations),
            .integer(clientRevocations), .integer(kind.rawValue), SQLValue(createdAt),
            SQLValue(absoluteExpiresAt),
            .text(scope.text), SQLValue(context), .blob(familyTag), .integer(tagKeyID),
            .integer(status.rawValue),
            .integer(Int64(generation)), SQLValue(idleExpiresAt), SQLValue(swappedAt),
            SQLValue(credentialTag),
            SQLValue(previousCredentialTag),
        ]
        values += AccessTokenSlot.columns(access)
        values += AccessTokenSlot.columns(previousAccess)
        values += [
            SQLValue(pair), .integer(expiresDay), SQLValue(firstUsedAt), SQLValue(staleUses),
            SQLValue(lastStaleAt),
        ]
        return values
    }
}

extension AccessTokenSlot {
    /// Most tokens have the scope of their grant, which is parsed already.
    init?(_ columns: inout ColumnReader, of grant: ScopeSet) throws {
        guard let scope = try columns.optionalText() else {
            for _ in 0..<4 { try columns.skip() }
            return nil
        }
        self.scope = scope == grant.text ? grant : ScopeSet(stored: scope) ?? .empty
        audience = try columns.optionalText()
        issuedAt = try columns.instant()
        expiresAt = try columns.instant()
        tag = try columns.blob()
    }

    static func columns(_ slot: AccessTokenSlot?) -> [SQLValue] {
        guard let slot else { return Array(repeating: .null, count: 5) }
        return [
            .text(slot.scope.text), SQLValue(slot.audience), SQLValue(slot.issuedAt),
            SQLValue(slot.expiresAt),
            .blob(slot.tag),
        ]
    }
}

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
        reading cursor: RowCursor, at offset: Int, presented generation: UInt32, rowKey: RowTags
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
        else { throw VaultError(.integrity, "Grant \(grant) does not have the form of this version.") }
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
