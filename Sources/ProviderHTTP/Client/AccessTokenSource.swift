public import TokenKeeper
public import VaultCore

/// Where a ``ProviderClient`` gets its tokens: a keeper's connection, or a test's list. What a source throws
/// (no such connection, a vault that is closed) goes to the caller of the API as it is.
public protocol AccessTokenSource: Sendable {
    /// A token that is valid for at least `span`.
    func accessToken(validFor span: Duration) async throws -> ProvidedTokenAnswer

    /// The API refused the token of generation `refused`. One forced refresh, but only if that generation is
    /// still the current one; then the current token.
    func replacement(for refused: Int64, validFor span: Duration) async throws -> ProvidedTokenAnswer
}

/// What a source answers.
public enum ProvidedTokenAnswer: Sendable {
    case ready(ProvidedToken)
    /// The user must be asked again; why, for operators.
    case needsConsent(reason: String)
    case unavailable(retryAfter: Duration)
}

/// An access token, and how its provider wants to see it.
public struct ProvidedToken: Sendable {
    public var token: SecretBytes
    /// How many refreshes its connection had seen.
    public var generation: Int64
    public var placement: Provider.AccessTokenPlacement

    public init(
        _ token: SecretBytes, generation: Int64, placement: Provider.AccessTokenPlacement = .bearer
    ) {
        self.token = token
        self.generation = generation
        self.placement = placement
    }
}
