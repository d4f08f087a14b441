import TokenVault
import VaultCore

extension TokenIssuer {
    /// Authenticates a client by a JWT that it signed: `private_key_jwt` (RFC 7523 section 2.2, OpenID Connect Core
    /// section 9).
    ///
    /// - Parameter named: the `client_id` of the body.
    func authenticate(
        by assertion: SecretBytes, _ named: String?, _ origin: RequestOrigin
    ) async throws(OAuthError) -> AuthenticatedClient {
        guard let assertions, let issuer else { throw await refused(.wrongMethod, nil, named, origin) }
        guard let clientID = assertions.claimedClient(of: assertion) else {
            throw await refused(.assertionMalformed, nil, named, origin)
        }
        let client = try client(named: clientID)
        let verified: VerifiedAssertion
        do throws(ClientAssertionRefusal) {
            verified = try await assertions.verify(
                assertion, from: clientID, keySet: client?.registration.keySet ?? Self.emptyKeySet,
                audiences: audiences(issuer), now: vault.clock.now())
        } catch {
            // Without keys every assertion fails, and the keys are not why.
            let reason: TokenRequestRefusal =
                switch client?.registration.authenticationMethods.contains(.privateKeyJWT) {
                case nil: .unknownClient
                case false?: .wrongMethod
                case true?: TokenRequestRefusal(error)
                }
            throw await refused(reason, client, clientID, origin)
        }
        guard let client else { throw await refused(.unknownClient, nil, clientID, origin) }
        guard client.state == .active else { throw await refused(.clientDisabled, client, clientID, origin) }
        guard client.registration.authenticationMethods.contains(.privateKeyJWT) else {
            throw await refused(.wrongMethod, client, clientID, origin)
        }
        // RFC 7521 section 4.2: the client_id is optional, and "MUST identify the same client".
        guard named.map({ $0.utf8.elementsEqual(clientID.utf8) }) ?? true else {
            throw await refused(.assertionClaims, client, clientID, origin)
        }
        let isNew: Bool
        do {
            isNew = try await vault.useAssertion(
                verified.identifier, of: client.id, until: verified.expiresAt)
        } catch { throw failure(error) }
        // RFC 7523 section 3 (7): "The authorization server MAY ensure that JWTs are not replayed".
        guard isNew else { throw await refused(.assertionReplayed, client, clientID, origin) }
        forgetFailures(of: clientID, origin)
        return AuthenticatedClient(client: client, supersededSecret: nil)
    }

    /// RFC 7523 section 3 (3): "The token endpoint URL of the authorization server MAY be used"; newer clients name the
    /// issuer, and some the endpoint they ask.
    private func audiences(_ issuer: String) -> [String] {
        let base = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer
        let others = [endpoints[.revocation], endpoints[.introspection]].compactMap(\.self)
        return [issuer] + (profile.tokenPaths + others).map { base + $0 }
    }

    /// An unknown client is treated as one that registered no key: answers do not tell which clients exist.
    private static let emptyKeySet = #"{"keys":[]}"#
}

extension TokenRequestRefusal {
    fileprivate init(_ refusal: ClientAssertionRefusal) {
        self =
            switch refusal {
            case .malformed: .assertionMalformed
            case .algorithm: .assertionAlgorithm
            case .unknownKey: .assertionUnknownKey
            case .unusableKey: .assertionUnusableKey
            case .signature: .assertionSignature
            case .claims: .assertionClaims
            case .expired: .assertionExpired
            case .audience: .assertionAudience
            }
    }
}
