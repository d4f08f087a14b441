import Foundation
import TokenVault
import VaultCore

extension TokenIssuer {
    /// What a token stands for now, as a JSON object: `{"active":false}` and no more for any that is not valid.
    ///
    /// A client sees its own tokens; the access tokens of others only a resource server does
    /// (``TokenVault/ClientRegistration/mayIntrospect``). The first valid look at an access token counts as its first
    /// use. The user's name is not told: `sub` says who it is, and more is at userinfo with the user's consent.
    ///
    /// - Throws: `invalid_client`, also for a public client, which proves nothing.
    public func introspect(_ presented: PresentedToken) async throws(OAuthError) -> [UInt8] {
        do {
            if let recent = authenticateRecent(presented.credentials, presented.origin),
                let accessToken = try validate(presented.token, for: recent),
                // Nothing was registered, disabled or removed since the caller was read.
                accessToken.registryRevision == recent.registryRevision
            {
                return try encode(
                    IntrospectedToken(accessToken, of: client(accessToken.client, recent), self))
            }
            let caller = try await authenticate(presented.credentials, presented.origin)
            guard !caller.registration.isPublic else { throw OAuthError.invalidClient }
            if let accessToken = try validate(presented.token, for: caller) {
                return try encode(
                    IntrospectedToken(accessToken, of: client(accessToken.client, caller), self))
            }
            // To its own client only: a resource server that asks for no token_type would take it for an access token.
            if let refreshToken = try vault.inspectRefreshToken(presented.token),
                refreshToken.client == caller.client.id
            {
                return try encode(IntrospectedToken(refreshToken, of: caller.client, self))
            }
            return Self.inactive
        } catch let error as VaultError where error.code == .notFound {
            // Its client was removed a moment ago.
            return Self.inactive
        } catch { throw error as? OAuthError ?? failure(error) }
    }

    private func validate(_ token: SecretBytes, for caller: AuthenticatedClient) throws -> ValidAccessToken? {
        try vault.validate(token) { caller.registration.mayIntrospect || $0.client == caller.client.id }
    }

    /// The client of a token; most ask for their own.
    private func client(_ id: OwnerID, _ caller: AuthenticatedClient) throws -> Client {
        id == caller.client.id ? caller.client : try vault.client(id)
    }

    /// Who a token speaks for (`sub`): the user, or the client that it was issued to for itself.
    func subject(of owner: OwnerID, client: Client) -> String {
        owner == client.id ? client.clientID : vault.subject(of: owner)
    }

    private func encode(_ token: IntrospectedToken) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(token))
    }

    private static let inactive = Array(#"{"active":false}"#.utf8)
}

/// The members of RFC 7662 section 2.2; absent ones are left out.
private struct IntrospectedToken: Encodable {
    let active = true
    let scope: String?
    let clientID: String
    let tokenType: String?
    let exp: Int64
    let iat: Int64
    let sub: String
    let aud: String?
    let iss: String?

    init(_ token: ValidAccessToken, of client: Client, _ issuer: TokenIssuer) {
        scope = token.scope.isEmpty ? nil : token.scope.text
        clientID = client.clientID
        tokenType = "Bearer"
        exp = token.expiresAt.secondsSince1970
        iat = token.issuedAt.secondsSince1970
        sub = issuer.subject(of: token.owner, client: client)
        aud = token.audience
        iss = issuer.issuer
    }

    /// Without `token_type`, which says how an access token is used.
    init(_ token: ValidRefreshToken, of client: Client, _ issuer: TokenIssuer) {
        scope = token.scope.isEmpty ? nil : token.scope.text
        clientID = client.clientID
        tokenType = nil
        exp = token.expiresAt.secondsSince1970
        iat = token.issuedAt.secondsSince1970
        sub = issuer.subject(of: token.owner, client: client)
        aud = nil
        iss = issuer.issuer
    }

    private enum CodingKeys: String, CodingKey {
        case active, scope, exp, iat, sub, aud, iss
        case clientID = "client_id"
        case tokenType = "token_type"
    }
}
