public import VaultCore

/// What ``TokenKeeper/accessToken(for:validFor:)`` answers.
public enum AccessTokenAnswer: Sendable {
    case ready(HeldAccessToken)
    /// Only the user can help: ask for consent again with ``TokenKeeper/begin(_:)``.
    case needsConsent(ConsentNeed)
    /// Not now: the provider, the network or the disk. Nothing is lost.
    case unavailable(retryAfter: Duration, UnavailableReason)
}

/// An access token, committed to the vault before it came here.
public struct HeldAccessToken: Sendable {
    public let token: SecretBytes
    /// The time the token expires; nil if it does not.
    public let expiresAt: VaultInstant?
    let issuedAt: VaultInstant?
    /// Which of the connection's tokens it is: 1 for the first.
    public let generation: Int64
    /// The scope as the provider wrote it, names joined by single spaces.
    public let scope: String
    /// How the provider's API wants it.
    public let placement: Provider.AccessTokenPlacement
    /// What the provider told beside tokens (`instance_url`).
    public let metadata: [String: String]

    /// A token of a test's own, which does not expire.
    public init(_ token: SecretBytes, generation: Int64, placement: Provider.AccessTokenPlacement = .bearer) {
        self.token = token
        self.generation = generation
        self.placement = placement
        (expiresAt, issuedAt, scope, metadata) = (nil, nil, "", [:])
    }
}

/// Why a connection needs its user.
public struct ConsentNeed: Sendable, Equatable {
    public enum Reason: String, Sendable {
        /// The provider refused the refresh token.
        case refused
        /// An answer was lost; the provider refused a repeat, or would take it for theft.
        case lostResponse = "lost-response"
        /// The provider gives nothing to refresh with.
        case nothingToRefresh = "nothing-to-refresh"
        /// It was revoked here.
        case revoked
        /// The answer to the code could not be read; an operator can read it again.
        case unreadableReply = "unreadable-reply"
        /// The vault was restored from a backup, and its tokens may have been spent since: they are destroyed.
        case restored
    }

    public let connection: ConnectionID
    public let provider: ProviderID
    public let reason: Reason

    public init(_ reason: Reason, connection: ConnectionID, provider: ProviderID) {
        self.reason = reason
        self.connection = connection
        self.provider = provider
    }
}

/// Why there is no token now.
public enum UnavailableReason: String, Sendable {
    /// It is busy or does not answer.
    case provider
    /// It answers, and refuses to refresh this connection, for a reason that may pass; `tokenvault connection show` has its
    /// words.
    case refused
    /// It refuses our client; an operator has to look.
    case providerStopped = "provider-stopped"
    /// The vault's disk or queue.
    case vault
    /// A reply is kept that could not be read; an operator has to look.
    case unreadableReply = "unreadable-reply"
}
