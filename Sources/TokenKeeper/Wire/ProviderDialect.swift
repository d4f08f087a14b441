package import VaultCore

/// Between a provider's entry and the wire: writes its requests, reads its replies. The standards are the
/// default (RFC 6749, 7009, 7636, 8628), the entry names every departure. Pure: no clock, no network; a
/// client authentication that fails is never tried another way, for each try may spend a token.
package struct ProviderDialect: Sendable {
    package let provider: Provider
    let credentials: ProviderCredentials

    package init(_ provider: Provider, _ credentials: ProviderCredentials) {
        self.provider = provider
        self.credentials = credentials
    }
}

/// Who we are to a provider.
package struct ProviderCredentials: Sendable {
    package var clientID: String
    /// Nil: a public client.
    package var clientSecret: SecretBytes?

    package init(clientID: String, clientSecret: SecretBytes? = nil) {
        self.clientID = clientID
        self.clientSecret = clientSecret
    }
}

/// `token_type_hint` (RFC 7009 section 2.1).
package enum TokenHint: String, Sendable {
    case accessToken = "access_token"
    case refreshToken = "refresh_token"
}
