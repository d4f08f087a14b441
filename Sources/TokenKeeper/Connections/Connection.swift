import Foundation
public import TokenVault
public import VaultCore
import VaultCrypto
import VaultStore

/// A grant that a provider gave us, as an operator sees it, without its tokens.
public struct Connection: Sendable {
    public let id: ConnectionID
    public let provider: ProviderID
    /// The user, or ``OwnerID/system`` for tokens of our own (client credentials).
    public let owner: OwnerID
    /// Tells several connections of one user at one provider apart; empty where there is one.
    public let label: String
    public let state: ConnectionState
    /// The reason why it is not live, or why the last refresh failed, as a word.
    public let reason: String?
    /// Whether the provider has accepted its tokens; an import is not verified until its first refresh.
    public let isVerified: Bool
    /// The number of token pairs so far.
    public let generation: Int64
    /// The scope as the provider wrote it, names joined by single spaces.
    public let scope: String
    /// The values beside the tokens that the provider's entry keeps (`instance_url`, `realmId`).
    public let metadata: [String: String]
    public let createdAt: VaultInstant
    /// The time the current access token was issued.
    public let issuedAt: VaultInstant?
    /// The time the access token expires; nil if it does not, or without a token.
    public let accessExpiresAt: VaultInstant?
    public let refreshExpiresAt: VaultInstant?
    public let absoluteExpiresAt: VaultInstant?
    /// The time a service looks at it next; nil if only when a token is requested.
    public let dueAt: VaultInstant?
    /// The number of refreshes that failed in a row.
    public let failures: Int64
    /// The provider's refusal; nil if it has not refused since it last gave tokens.
    public let refusal: ConnectionRefusal?
    /// The time since which it is not known whether the refresh token was spent.
    public let unsettledSince: VaultInstant?
    /// Whether a reply is kept that could not be read.
    public let hasUnreadReply: Bool
    package let kind: ConnectionKind
}

/// A connection as the keeper acts on it.
package struct HeldConnection: Sendable {
    package private(set) var connection: Connection
    package private(set) var fence: Int64
    package private(set) var attempt: RefreshAttemptRecord?
    package private(set) var lease: RefreshLease?
    package internal(set) var pair: TokenPair?
    /// What the provider answered and could not be read.
    package internal(set) var reply: SecretBytes?
    /// Whose it is at the provider, by the provider's own name; nil: it never told.
    package internal(set) var account: String?
    var details: ConnectionDetails
    package let isOwnerActive: Bool
    package let isOwnerRemoved: Bool

    package var id: ConnectionID { connection.id }
    package var generation: Int64 { connection.generation }
    /// The reply that is kept answers a consent, whose user may have chosen another account.
    package var isConsentReplyKept: Bool { details.isConsentReplyKept }

    /// Whether both accounts are known, and differ.
    package func isOfAnother(than account: String?) -> Bool {
        guard let account, let own = self.account else { return false }
        return account != own
    }
}

extension ConnectionRow {
    func unsealedPair(_ owner: Owner, _ keyring: Keyring) throws -> TokenPair? {
        guard let pair else { return nil }
        let bytes = try SealedField.open(
            pair, with: owner.key(.keeper), for: context(keyring, Self.pairColumn, generation: generation))
        guard let pair = TokenPair(sealedForm: bytes) else {
            throw VaultError(.integrity, "A connection's token pair is not in the form of this version.")
        }
        return pair
    }

    func unsealedReply(_ owner: Owner, _ keyring: Keyring) throws -> SecretBytes? {
        guard let reply else { return nil }
        return SecretBytes(
            try SealedField.open(
                reply, with: owner.key(.keeper),
                for: context(keyring, Self.replyColumn, generation: generation),
                limit: Limits.sealedReplyBytes))
    }

    /// Keeps a reply that cannot be read, at the row's generation, and remembers what it answers.
    mutating func keep(
        _ reply: SecretBytes, ofConsent isOfConsent: Bool, in held: inout HeldConnection, _ owner: Owner,
        _ keyring: Keyring
    ) throws {
        held.reply = reply
        if held.details.isConsentReplyKept != isOfConsent {
            held.details.isConsentReplyKept = isOfConsent
            details = try sealed(held.details.encoded(), Self.detailsColumn, owner, keyring)
        }
        self.reply = try reply.withExposed {
            try sealed($0, Self.replyColumn, owner, keyring, limit: Limits.sealedReplyBytes)
        }
    }

    /// Keeps whose tokens the row has, as the provider names the account; nil: it does not.
    mutating func keep(
        account: String?, in held: inout HeldConnection, _ owner: Owner, _ keyring: Keyring
    ) throws {
        guard account != held.account else { return }
        held.account = account
        subject = try account.map {
            let bytes = try JSONEncoder().encode(ConnectionSubject(subject: $0))
            return try sealed(Array(bytes), Self.subjectColumn, owner, keyring)
        }
        subjectTag = account.map { keyring.subjectTag(provider, $0) }
    }
}

extension HeldConnection {
    init(_ row: ConnectionRow, _ owner: Owner, _ keyring: Keyring) throws {
        self.init(row, owner, details: try row.details(owner, keyring))
        pair = try row.unsealedPair(owner, keyring)
        reply = try row.unsealedReply(owner, keyring)
        account = try row.subject(owner, keyring)?.subject
    }

    /// A connection without tokens.
    init(_ row: ConnectionRow, _ owner: Owner, details: ConnectionDetails) {
        self.details = details
        connection = Connection(row, details)
        fence = row.fence
        attempt = row.attempt
        lease = row.lease
        isOwnerActive = owner.row.state == .active
        isOwnerRemoved = owner.row.state == .removed
    }

    /// The same as its row stands now: what is sealed was opened before, or is what was sealed since.
    func following(_ row: ConnectionRow) -> HeldConnection {
        var held = self
        held.connection = Connection(row, details)
        held.fence = row.fence
        held.attempt = row.attempt
        held.lease = row.lease
        return held
    }
}

extension Connection {
    init(_ row: ConnectionRow, _ details: ConnectionDetails) {
        id = ConnectionID(row.id)
        provider = row.provider
        self.owner = row.owner
        label = details.label
        state = row.state
        reason = row.reason
        isVerified = row.isVerified
        generation = row.generation
        scope = row.scope
        metadata = details.metadata
        createdAt = row.createdAt
        issuedAt = row.issuedAt
        accessExpiresAt = row.accessExpiresAt
        refreshExpiresAt = row.refreshExpiresAt
        absoluteExpiresAt = row.absoluteExpiresAt
        dueAt = row.dueAt
        failures = row.failures
        refusal = details.refusal
        unsettledSince = row.attempt?.startedAt
        hasUnreadReply = row.reply != nil
        kind = row.kind
    }
}

/// A refusal, as the keeper hands it over to be settled.
package struct RefusedRefresh: Sendable {
    package enum Meaning: Sendable {
        /// The refresh token is dead: the user has to consent again.
        case needsConsent
        /// `invalid_client`: the provider refuses our client.
        case client
        /// The provider refuses our client or this token, and does not say which.
        case clientOrToken
        /// Anything else.
        case request
    }

    package var reason: String
    package var meaning: Meaning
    /// The provider's words: bounded, secrets taken out.
    package var words: String
    /// Of the provider as it was called; a change since then may have put it right.
    package var revision: Int64

    package init(_ reason: String, _ meaning: Meaning, words: String = "", revision: Int64) {
        self.reason = reason
        self.meaning = meaning
        self.words = words
        self.revision = revision
    }
}

extension ConnectionDetails {
    func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let bytes = Array(try encoder.encode(self))
        // The mark of a kept reply always fits.
        guard bytes.count <= Limits.connectionDetailsBytes + (isConsentReplyKept ? 64 : 0) else {
            throw invalid("A provider told more beside its tokens than is kept with a connection.")
        }
        return bytes
    }
}

extension ConnectionRow {
    /// Seals a value of this row; the generation is the one the row has now.
    func sealed(
        _ bytes: [UInt8], _ column: UInt16, _ owner: Owner, _ keyring: Keyring,
        limit: Int = Limits.sealedFieldBytes
    ) throws -> [UInt8] {
        let hasGeneration = column != Self.detailsColumn && column != Self.subjectColumn
        return try SealedField.seal(
            bytes, under: owner.key(.keeper),
            for: context(keyring, column, generation: hasGeneration ? generation : 0),
            padded: true, limit: limit)
    }
}
