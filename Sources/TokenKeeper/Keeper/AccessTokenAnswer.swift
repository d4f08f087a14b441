public import VaultCore

/// The answer of ``TokenKeeper/accessToken(for:validFor:)``.
public enum AccessTokenAnswer: Sendable {
    case ready(HeldAccessToken)
    /// The user must consent again: begin with ``TokenKeeper/begin(_:)``.
    case needsConsent(ConsentNeed)
    /// There is no token now, because of the provider, the network or the disk. Nothing is lost.
    case unavailable(retryAfter: Duration, UnavailableReason)
}

/// An access token, which was stored in the vault before it is returned.
public struct HeldAccessToken: Sendable {
    public let token: SecretBytes
    /// The time the token expires; nil if it does not.
    public let expiresAt: VaultInstant?
    let issuedAt: VaultInstant?
    /// The number of the token among the connection's tokens, from 1.
    public let generation: Int64
    /// The scope as the provider wrote it, names joined by single spaces.
    public let scope: String
    /// The place where the provider's API expects the token.
    public let placement: Provider.AccessTokenPlacement
    /// The values that the provider sent beside the tokens (`instance_url`).
    public let metadata: [String: String]

    /// Makes a token for a test, which does not expire.
    public init(_ token: SecretBytes, generation: Int64, placement: Provider.AccessTokenPlacement = .bearer) {
        self.token = token
        self.generation = generation
        self.placement = placement
        (expiresAt, issuedAt, scope, metadata) = (nil, nil, "", [:])
    }
}

/// The reason why a connection needs its user's consent.
public struct ConsentNeed: Sendable, Equatable {
    public enum Reason: String, Sendable {
        /// The provider refused the refresh token.
        case refused
        /// An answer was lost; the provider refused a repeat, or would take it for theft.
        case lostResponse = "lost-response"
        /// There is no refresh token.
        case nothingToRefresh = "nothing-to-refresh"
        /// The connection was revoked here.
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

/// The reason why there is no token now.
public enum UnavailableReason: String, Sendable {
    /// The provider is busy or does not answer.
    case provider
    /// The provider refuses to refresh this connection, for a reason that may be temporary;
    /// `tokenvault connection show` has its words.
    case refused
    /// The provider refuses our client; an operator has to correct that.
    case providerStopped = "provider-stopped"
    /// The vault's disk fails, or its queue is full.
    case vault
    /// A reply is kept that could not be read; an operator has to correct the entry.
    case unreadableReply = "unreadable-reply"
}
