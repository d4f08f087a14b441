public import TokenKeeper

/// Where a ``ProviderClient`` gets its tokens: a keeper's connection, or a test's list. What a source throws
/// (no such connection, a vault that is closed) goes to the caller of the API as it is.
public protocol AccessTokenSource: Sendable {
    /// A token that is valid for at least `span`.
    func accessToken(validFor span: Duration) async throws -> AccessTokenAnswer

    /// The API refused the token of generation `refused`. One forced refresh, but only if that generation is
    /// still the current one; then the current token.
    func replacement(for refused: Int64, validFor span: Duration) async throws -> AccessTokenAnswer
}
