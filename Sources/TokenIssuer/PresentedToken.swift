import VaultCore

/// The form of the revocation and introspection endpoints: a token, and the client that shows it.
struct PresentedToken: Sendable {
    let token: SecretBytes
    let credentials: ClientCredentials
    let origin: RequestOrigin

    /// `token_type_hint` is not looked at: what kind a token is, it says itself.
    init(
        form body: [UInt8], authorization: [String], profile: IssuerProfile, origin: RequestOrigin
    ) throws(OAuthError) {
        let parameters: [FormParameter]
        do { parameters = try FormCoding.strictPairs(body) } catch { throw OAuthError(error) }
        var token: SecretBytes?
        var client = CredentialParameters()
        for parameter in parameters where !parameter.value.withExposed(\.isEmpty) {
            if parameter.name == "token" { token = parameter.value }
            try client.take(parameter, profile)
        }
        guard let token else { throw .missing("token") }
        self.token = token
        self.origin = origin
        credentials = try ClientCredentials(client, authorization: authorization)
    }
}
