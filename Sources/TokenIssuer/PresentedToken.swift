import VaultCore

/// A request to the revocation or introspection endpoint (RFC 7009 section 2.1, RFC 7662 section 2.1), taken apart and
/// not yet judged: a token, and the client that shows it.
public struct PresentedToken: Sendable {
    let token: SecretBytes
    let credentials: ClientCredentials
    let origin: RequestOrigin

    /// Reads a form body; `token_type_hint` is not looked at: what kind a token is, it says itself.
    ///
    /// - Parameters: as of ``TokenRequest``.
    /// - Throws: `invalid_request`.
    public init(
        form body: [UInt8], authorization: [String], profile: IssuerProfile, requestID: String?,
        address: @autoclosure @escaping @Sendable () -> String? = nil
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
        origin = RequestOrigin(requestID: requestID, address: address)
        credentials = try ClientCredentials(client, authorization: authorization)
    }
}
