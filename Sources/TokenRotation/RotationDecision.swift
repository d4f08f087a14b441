package import VaultCore

/// What to do with a presented code or refresh token.
package enum RotationDecision: Sendable, Equatable {
    /// Move the grant to its next generation and answer with the new pair. The access token gets this scope;
    /// the scope of the grant stays what it is.
    case swap(scope: ScopeSet)
    /// Answer with the current pair again, byte for byte. The grant stays what it is.
    case replay
    /// Say no. The grant stays what it is.
    case refuse(RefusalReason)
    /// Say no and revoke the grant.
    case revoke(RefusalReason)
    /// The token is authentic and younger than the row: somebody restored an older database. Answer 503,
    /// change nothing, raise an integrity alarm. The client's token is good and must not be called invalid.
    case databaseIsBehind
}
