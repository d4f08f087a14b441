import TokenVault
import VaultCore

/// A client that is who it says it is, or a public one that only says so.
struct AuthenticatedClient: Sendable {
    let client: Client
    /// The generation of the secret used, where a newer one exists: the log says who still uses the old one.
    let supersededSecret: UInt32?

    var registration: ClientRegistration { client.registration }
}

extension TokenIssuer {
    /// Authenticates against what this process read last, which costs no query. Good news only, for
    /// ``TokenVault/Vault/withRecentClient(_:_:)``: nil says nothing.
    func authenticateRecent(_ credentials: ClientCredentials, _ origin: RequestOrigin) -> AuthenticatedClient?
    {
        switch credentials {
        case .secret(let secret, let clientID, _):
            let recent = vault.recentClient(identifiedBy: clientID)
            // Asked for unknown clients too: the time it takes must not tell which are known.
            let verdict = vault.judge(secret, of: recent)
            guard case .accepted(let generation, let isNewest) = verdict, let recent,
                recent.state == .active, credentials.isAllowed(by: recent.registration)
            else { return nil }
            forgetFailures(of: clientID, origin)
            return AuthenticatedClient(client: recent, supersededSecret: isNewest ? nil : generation)
        case .authenticated(let known):
            let recent = vault.recentClient(identifiedBy: known.clientID)
            guard let recent, recent.id == known.id, recent.state == .active else { return nil }
            return AuthenticatedClient(client: recent, supersededSecret: nil)
        case .assertion, .publicClient, .absent: return nil
        }
    }

    /// Authenticates the client (RFC 6749 section 2.3), or throws `invalid_client` and logs why.
    ///
    /// RFC 6749 section 2.3.1: "Since this client authentication method involves a password, the authorization server
    /// MUST protect any endpoint utilizing it against brute force attacks." Only what is wrong is slowed down: secrets are
    /// machine-made, of 256 bits, and to check one costs little. So wrong guesses never lock a client out.
    func authenticate(
        _ credentials: ClientCredentials, _ origin: RequestOrigin
    ) async throws(OAuthError) -> AuthenticatedClient {
        switch credentials {
        case .assertion(let assertion, let named):
            return try await authenticate(by: assertion, named, origin)
        case .secret(let secret, let clientID, _):
            let client = try await client(named: clientID)
            // An unknown client costs what a wrong secret costs.
            let verdict = vault.judge(secret, of: client)
            guard let client else { throw await refused(.unknownClient, nil, clientID, origin) }
            let reason: TokenRequestRefusal
            var generation: UInt32?
            switch verdict {
            case _ where client.state != .active: reason = .clientDisabled
            case _ where !credentials.isAllowed(by: client.registration): reason = .wrongMethod
            case .accepted(let generation, let isNewest):
                forgetFailures(of: clientID, origin)
                return AuthenticatedClient(client: client, supersededSecret: isNewest ? nil : generation)
            case .expired(let old):
                reason = .secretExpired
                generation = old
            case .wrong:
                do { try await vault.clients.confirmSecrets(of: client.id) } catch { throw failure(error) }
                reason = .wrongSecret
            }
            throw await refused(reason, client, secretGeneration: generation, clientID, origin)
        case .publicClient(let clientID):
            return try await named(client(named: clientID), credentials, origin)
        case .authenticated(let known):
            let client = try await client(named: known.clientID)
            return try await named(client?.id == known.id ? client : nil, credentials, origin)
        case .absent: throw await refused(.noAuthentication, nil, nil, origin)
        }
    }

    /// A client that proves nothing here: no guess is counted against it.
    private func named(
        _ client: Client?, _ credentials: ClientCredentials, _ origin: RequestOrigin
    ) async throws(OAuthError) -> AuthenticatedClient {
        guard let client else { throw await refused(.unknownClient, nil, nil, origin) }
        guard client.state == .active else { throw await refused(.clientDisabled, client, nil, origin) }
        guard credentials.isAllowed(by: client.registration) else {
            throw await refused(.noAuthentication, client, nil, origin)
        }
        return AuthenticatedClient(client: client, supersededSecret: nil)
    }

    /// Nil: no client has this name.
    func client(named clientID: String) async throws(OAuthError) -> Client? {
        do { return try await vault.clients.first(identifiedBy: clientID) } catch { throw failure(error) }
    }

    /// Counts and logs a failed authentication, and returns the error to send. After too many failures of
    /// this client at this address, the answer does not say what was wrong, and the failure counts no
    /// further.
    func refused(
        _ reason: TokenRequestRefusal, _ client: Client?, secretGeneration: UInt32? = nil,
        _ guessed: String?, _ origin: RequestOrigin
    ) async -> OAuthError {
        do {
            if let guessed, let address = origin.address() {
                if let wait = throttle.wait(for: guessed, from: address) {
                    try await vault.recordRefusal(
                        .throttled, client: nil, channel: origin.channel, requestID: origin.requestID)
                    return .throttled(wait)
                }
                throttle.failed(guessed, from: address)
            }
            try await vault.recordRefusal(
                reason, client: client, secretGeneration: secretGeneration, channel: origin.channel,
                requestID: origin.requestID)
        } catch { return failure(error) }
        return .invalidClient
    }

    func forgetFailures(of clientID: String, _ origin: RequestOrigin) {
        if throttle.isUsed, let address = origin.address() { throttle.succeeded(clientID, from: address) }
    }
}

extension ClientCredentials {
    /// Whether the client may authenticate like this.
    fileprivate func isAllowed(by registration: ClientRegistration) -> Bool {
        let methods = registration.authenticationMethods
        return switch self {
        case .secret(_, _, let method?): methods.contains(method)
        case .secret: methods.contains(.basic) || methods.contains(.post)
        case .assertion: methods.contains(.privateKeyJWT)
        case .publicClient: methods.contains(.none)
        case .authenticated: true
        case .absent: false
        }
    }
}

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
        let client = try await client(named: clientID)
        let keySet = try await keySet(of: client, isStale: false)
        let verified: VerifiedAssertion
        do throws(ClientAssertionRefusal) {
            do throws(ClientAssertionRefusal) {
                verified = try await verify(assertion, from: clientID, keySet, assertions, issuer)
            } catch {
                // The client may have a new key since its set was read.
                guard error == .unknownKey, let newer = await newerKeySet(of: client) else { throw error }
                verified = try await verify(assertion, from: clientID, newer, assertions, issuer)
            }
        } catch {
            // Without keys every assertion fails, and the keys are not why.
            let reason: TokenRequestRefusal =
                switch client?.registration.authenticationMethods.contains(.privateKeyJWT) {
                case nil: .unknownClient
                case false?: .wrongMethod
                case true?: TokenRequestRefusal(rawValue: error.rawValue) ?? .assertionMalformed
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

    private func verify(
        _ assertion: SecretBytes, from clientID: String, _ keySet: String,
        _ assertions: any ClientAssertionVerifying, _ issuer: String
    ) async throws(ClientAssertionRefusal) -> VerifiedAssertion {
        try await assertions.verify(
            assertion, from: clientID, keySet: keySet, audiences: audiences(issuer), now: vault.clock.now())
    }

    /// Nil where its keys do not lie elsewhere, or cannot be read now.
    private func newerKeySet(of client: Client?) async -> String? {
        guard let client, client.registration.keySetURI != nil || client.documentURL != nil else {
            return nil
        }
        return try? await keySet(of: client, isStale: true)
    }

    /// The keys that the client registered, or those that lie where it said.
    ///
    /// - Throws: `temporarily_unavailable` where they may be read in a moment: that is no wrong guess.
    private func keySet(of client: Client?, isStale: Bool) async throws(OAuthError) -> String {
        guard let client, client.state == .active else { return Self.emptyKeySet }
        var registration = client.registration
        if client.documentURL != nil {
            // What its metadata say now, not what they said when a user allowed it.
            guard registration.authenticationMethods == [.privateKeyJWT],
                let described = try await described(client)
            else { return Self.emptyKeySet }
            registration = described
        }
        guard let uri = registration.keySetURI else { return registration.keySet ?? Self.emptyKeySet }
        do throws(DocumentProblem) {
            let isOperators = !client.isSelfRegistered
            return try await documents?.keySet(at: uri, isOperators: isOperators, isStale: isStale)
                ?? Self.emptyKeySet
        } catch { throw OAuthError(error) }
    }

    /// Nil where its metadata will not do or cannot be read.
    private func described(_ client: Client) async throws(OAuthError) -> ClientRegistration? {
        do { return try await describedClient(client.clientID, known: client)?.registration } catch {
            guard let error = error as? OAuthError, error.code == .temporarilyUnavailable else { return nil }
            throw error
        }
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
