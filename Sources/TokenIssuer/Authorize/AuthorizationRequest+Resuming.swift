import TokenVault
public import VaultCore

/// A request that waits while the user signs in or decides goes through the browser, sealed: nothing is kept here.
extension AuthorizationRequest {
    /// How long a user may take: a forgotten password is found again in that time.
    private static let patience = Duration.seconds(30 * 60)
    private static let purpose = "authorize"

    /// The request as a value for a URL or a form, good for half an hour.
    public func sealed(by issuer: TokenIssuer) throws -> SecretBytes {
        var bytes = withUnsafeBytes(of: receivedAt.millisecondsSince1970.bigEndian, Array.init)
        bytes += Array(query.utf8)
        return try issuer.vault.sealed(bytes, purpose: Self.purpose, lifetime: Self.patience)
    }

    /// Nil for a value that is not ours, or too old.
    public init?(resuming sealed: SecretBytes, issuer: TokenIssuer, requestID: String?) {
        guard let bytes = issuer.vault.unseal(sealed, purpose: Self.purpose), bytes.count > 8 else {
            return nil
        }
        let milliseconds = bytes.prefix(8).reduce(Int64(0)) { $0 << 8 | Int64($1) }
        do throws(OAuthError) {
            try self.init(
                query: Array(bytes.dropFirst(8)), profile: issuer.profile,
                receivedAt: VaultInstant(millisecondsSince1970: milliseconds), requestID: requestID)
        } catch { return nil }
    }
}
