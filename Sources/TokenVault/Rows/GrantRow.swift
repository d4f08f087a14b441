import TokenRotation
import VaultCore

/// How a grant came to be.
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
struct GrantRow: Sendable {
    let id: GrantID
    let client: OwnerID
    let owner: OwnerID
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
    var status: GrantStatus
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

    /// The last day (since 1970) on which the grant can still matter.
    var expiresDay: Int64 {
        let day: Int64 = 86_400_000
        var last = min(idleExpiresAt, absoluteExpiresAt)
        if let access { last = max(last, access.expiresAt) }
        return last.millisecondsSince1970 / day
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
        _ = try columns.integer()
        firstUsedAt = try columns.optionalInstant()
    }

    var lastDay: Int64? { expiresDay }

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
        values += [SQLValue(pair), .integer(expiresDay), SQLValue(firstUsedAt)]
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
