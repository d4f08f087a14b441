package import VaultCore
import VaultCrypto
import VaultStore

/// What a connection holds: a user's grant, or tokens of our own.
package enum ConnectionKind: Int64, Sendable {
    case consent = 1
    case clientCredentials = 2
}

/// The state of a connection.
public enum ConnectionState: Int64, Sendable {
    case live = 1
    /// The user has to consent again: the provider refuses the connection, or cannot be asked without harm.
    case needsConsent = 2
    /// The provider is still to revoke it; its tokens are not used any more.
    case revoking = 3
    case revoked = 4
    /// Its access token has expired and the provider has refused to refresh it for hours, not saying that it is
    /// dead. It is tried ever more seldom, once a day at last.
    case failing = 5

    /// Whether a service tries to refresh it.
    package var isRefreshed: Bool { self == .live || self == .failing }

    /// Before the cause, where the leaf is the one by which a connection came to need consent.
    package static let lostPrefix = "needs-consent-"

    /// The cause as a leaf has it: told apart from a further failure of what needed consent already.
    package func reasonOfLoss(_ cause: String) -> String { isRefreshed ? Self.lostPrefix + cause : cause }
}

/// A refresh token that went out and whose outcome is not known.
package struct RefreshAttemptRecord: Sendable, Equatable {
    /// When it was first sent.
    package var startedAt: VaultInstant
    package var monotonic: ClockReading
    /// Fingerprint of the refresh token: the first 16 bytes of its SHA-256.
    package var fingerprint: [UInt8]
    package var sends: Int64

    package init(startedAt: VaultInstant, monotonic: ClockReading, fingerprint: [UInt8], sends: Int64) {
        (self.startedAt, self.monotonic, self.fingerprint, self.sends) = (
            startedAt, monotonic, fingerprint, sends
        )
    }
}

/// Who may call the provider for a connection now.
package struct RefreshLease: Sendable, Equatable {
    /// Drawn by each keeper for itself.
    package var holder: [UInt8]
    /// On a monotonic clock: a wall clock that jumps moves no lease.
    package var until: ClockReading

    package init(holder: [UInt8], until: ClockReading) {
        (self.holder, self.until) = (holder, until)
    }
}

/// One row of `connections`.
package struct ConnectionRow: Sendable {
    package let id: Int64
    package let provider: ProviderID
    package let owner: OwnerID
    package let kind: ConnectionKind
    package let lookupTag: [UInt8]
    package let createdAt: VaultInstant
    package var state: ConnectionState
    package var reason: String?
    package var isVerified: Bool
    package var generation: Int64
    package var fence: Int64
    /// Sealed ``ConnectionDetails``.
    package var details: [UInt8]
    package var scope: String
    /// Sealed ``TokenPair``.
    package var pair: [UInt8]?
    /// Sealed; belongs to the attempt.
    package var reply: [UInt8]?
    package var issuedAt: VaultInstant?
    package var accessExpiresAt: VaultInstant?
    package var refreshExpiresAt: VaultInstant?
    package var absoluteExpiresAt: VaultInstant?
    package var dueAt: VaultInstant?
    package var failures: Int64
    package var attempt: RefreshAttemptRecord?
    package var lease: RefreshLease?
    /// Sealed ``ConnectionSubject``.
    package var subject: [UInt8]?
    /// Finds the connections of one account at one provider.
    package var subjectTag: [UInt8]?
    /// JSON: its own values for variables of the provider's entry, as a shop's host.
    var variables: String?
    var failingSince: VaultInstant?
}

extension ConnectionRow {
    /// A new connection, without tokens and details.
    package init(
        id: Int64, provider: ProviderID, owner: OwnerID, kind: ConnectionKind, lookupTag: [UInt8],
        scope: String, createdAt: VaultInstant
    ) {
        self.init(
            id: id, provider: provider, owner: owner, kind: kind, lookupTag: lookupTag, createdAt: createdAt,
            state: .live, reason: nil, isVerified: false, generation: 0, fence: 0, details: [], scope: scope,
            failures: 0)
    }
}

extension ConnectionRow: TypedRow {
    static let layout = TableLayout.connections
    package static let detailsColumn = columnNumber("details")
    package static let pairColumn = columnNumber("pair")
    package static let replyColumn = columnNumber("reply")
    package static let subjectColumn = columnNumber("subject")

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        provider = ProviderID(try columns.integer())
        owner = OwnerID(try columns.integer())
        kind = try columns.kind()
        lookupTag = try columns.blob()
        createdAt = try columns.instant()
        state = try columns.kind()
        reason = try columns.optionalText()
        isVerified = try columns.integer() != 0
        generation = try columns.integer()
        fence = try columns.integer()
        details = try columns.blob()
        scope = try columns.text()
        pair = try columns.optionalBlob()
        reply = try columns.optionalBlob()
        issuedAt = try columns.optionalInstant()
        accessExpiresAt = try columns.optionalInstant()
        refreshExpiresAt = try columns.optionalInstant()
        absoluteExpiresAt = try columns.optionalInstant()
        dueAt = try columns.optionalInstant()
        failures = try columns.integer()
        attempt = try RefreshAttemptRecord(&columns)
        lease = try RefreshLease(&columns)
        subject = try columns.optionalBlob()
        subjectTag = try columns.optionalBlob()
        variables = try columns.optionalText()
        failingSince = try columns.optionalInstant()
    }

    var columns: [SQLValue] {
        [
            .integer(provider.rawValue), .integer(owner.rawValue), .integer(kind.rawValue),
            .blob(lookupTag), SQLValue(createdAt), .integer(state.rawValue), SQLValue(reason),
            .integer(isVerified ? 1 : 0), .integer(generation), .integer(fence), .blob(details),
            .text(scope), SQLValue(pair), SQLValue(reply), SQLValue(issuedAt), SQLValue(accessExpiresAt),
            SQLValue(refreshExpiresAt), SQLValue(absoluteExpiresAt), SQLValue(dueAt), .integer(failures),
            SQLValue(attempt?.startedAt), SQLValue(attempt?.monotonic.milliseconds),
            SQLValue(attempt?.monotonic.clock),
            SQLValue(attempt?.fingerprint), SQLValue(attempt?.sends), SQLValue(lease?.holder),
            SQLValue(lease?.until.milliseconds), SQLValue(lease?.until.clock), SQLValue(subject),
            SQLValue(subjectTag), SQLValue(variables), SQLValue(failingSince),
        ]
    }
}

extension RefreshAttemptRecord {
    /// Nil where its columns are null, all of them.
    fileprivate init?(_ columns: inout ColumnReader) throws {
        guard let startedAt = try columns.optionalInstant() else {
            for _ in 0..<4 { try columns.skip() }
            return nil
        }
        self.startedAt = startedAt
        monotonic = try ClockReading(&columns)
        fingerprint = try columns.blob()
        sends = try columns.integer()
    }
}

extension RefreshLease {
    fileprivate init?(_ columns: inout ColumnReader) throws {
        guard let holder = try columns.optionalBlob() else {
            for _ in 0..<2 { try columns.skip() }
            return nil
        }
        self.holder = holder
        until = try ClockReading(&columns)
    }
}

extension ClockReading {
    fileprivate init(_ columns: inout ColumnReader) throws {
        let milliseconds = try columns.integer()
        self.init(clock: try columns.text(), milliseconds: milliseconds)
    }
}
