import Logging
package import Metrics
import TokenRotation
public import TokenVault
package import Tracing
import VaultCore

/// The authorization server without HTTP: authenticates clients and does what they ask (RFC 6749).
///
/// ```swift
/// let issuer = TokenIssuer(vault: vault)
/// let provider = TokenIssuer(vault: vault, issuer: "https://id.example", idTokens: VaultSigningKeys(vault))
/// ```
public struct TokenIssuer: Sendable {
    public let profile: IssuerProfile
    package let vault: Vault
    package let idTokens: (any IDTokenMinting)?
    package let assertions: (any ClientAssertionVerifying)?
    let documents: ClientDocuments?
    package let claims: ClaimSource
    /// Nil: clients cannot register themselves.
    package let registration: SelfRegistration?
    /// What they may ask for where that follows from other clients.
    let openScope = KnownOfRegistry<ScopeSet>()
    /// Nil for good, or not known before the server's port is.
    package let url: IssuerURL?
    /// What is served, and so what metadata may name.
    package let endpoints = MountedEndpoints()
    /// Delays clients that fail to authenticate.
    let throttle: FailureThrottle
    /// Nil where nothing is counted or traced.
    private var watch: IssuerWatch?
    /// Told once, however many routes find out.
    package let sharedAddress: SharedAddressNotice

    /// - Parameters:
    ///   - issuer: the URL that clients know this issuer by; without it there are no metadata and no id_tokens.
    ///   - idTokens: signs id_tokens; nil: OpenID Connect is off.
    ///   - assertions: verifies `private_key_jwt`; nil: the method is off.
    ///   - documents: what clients publish; nil: nothing is fetched, and clients with a `jwks_uri` are refused. Clients whose
    ///     `client_id` is the address of their metadata are taken with `registration` only.
    ///   - claims: what userinfo and id_tokens say of a user besides `sub`.
    ///   - registration: lets clients register themselves; nil: they cannot.
    public init(
        vault: Vault, profile: IssuerProfile = .standard, issuer: String? = nil,
        idTokens: (any IDTokenMinting)? = nil, assertions: (any ClientAssertionVerifying)? = nil,
        documents: ClientDocuments? = nil, claims: ClaimSource = .none,
        registration: SelfRegistration? = nil
    ) {
        self.init(
            vault: vault, profile: profile, url: issuer.map { IssuerURL($0) }, idTokens: idTokens,
            assertions: assertions, documents: documents, claims: claims,
            registration: registration)
    }

    /// - Parameters: nil for tracer and metrics: what the program has set up.
    package init(
        vault: Vault, profile: IssuerProfile, url: IssuerURL?, idTokens: (any IDTokenMinting)?,
        assertions: (any ClientAssertionVerifying)?, documents: ClientDocuments? = nil,
        claims: ClaimSource, registration: SelfRegistration? = nil, tracer: (any Tracer)? = nil,
        metrics: (any MetricsFactory)? = nil
    ) {
        self.vault = vault
        self.profile = profile
        self.url = url
        self.idTokens = idTokens
        self.assertions = assertions
        self.documents = documents
        self.claims = claims
        self.registration = registration
        throttle = FailureThrottle(clock: vault.clock)
        sharedAddress = SharedAddressNotice(vault.logger)
        watch = IssuerWatch(tracer, metrics)
    }

    /// The URL that clients know this issuer by. A server on any free port of loopback knows it once it
    /// serves.
    public var issuer: String? { url?.value }

    /// Answers a token request; what it returns is durable.
    ///
    /// - Throws: the refusal to send.
    package func token(_ request: TokenRequest) async throws(OAuthError) -> TokenResponse {
        if let watch {
            var issuer = self
            issuer.watch = nil
            return try await watch.token(request, by: issuer)
        }
        let recent = request.isLegacyGet ? nil : authenticateRecent(request.credentials, request.origin)
        do {
            return try await vault.withRecentClient(recent) { recent in
                let client =
                    if let recent { recent } else {
                        try await authenticate(request.credentials, request.origin)
                    }
                if request.isLegacyGet { try await noteLegacyGet(client, request.origin) }
                // RFC 6749 section 5.2, unauthorized_client: "The authenticated client is not authorized to use this
                // authorization grant type."
                guard client.registration.grantTypes.contains(request.grant.type) else {
                    throw try await refusal(.unauthorizedClient, .unauthorizedClient, of: request, by: client)
                }
                return switch request.grant {
                case .authorizationCode(let code, let redirectURI, let codeVerifier):
                    try await exchange(
                        codeExchange(code, redirectURI, codeVerifier, by: client, request.origin),
                        request, by: client)
                case .refreshToken(let token, let scope):
                    try await exchange(
                        refreshExchange(token, scope, by: client, request.origin), request, by: client)
                case .clientCredentials(let scope): try await issueToClient(scope, request, client)
                case .incomplete(_, let reason, let error):
                    throw try await refusal(error, reason, of: request, by: client)
                }
            }
        } catch { throw error as? OAuthError ?? failure(error) }
    }

    /// Runs the swap and returns its outcome.
    private func exchange(
        _ exchange: ExchangeRequest, _ request: TokenRequest, by client: AuthenticatedClient
    ) async throws -> TokenResponse {
        var exchange = exchange
        exchange.requestID = request.origin.requestID
        exchange.resource = request.resource
        exchange.supersededSecret = client.supersededSecret
        let start = ContinuousClock.now
        let result: ExchangeResult
        var idToken: SecretBytes?
        // To prepare an id_token reads the grant, which most clients' refreshes need not wait for.
        if let idTokens, let issuer, client.registration.scope.names.contains(Self.openIDScope) {
            // Signed before the swap is committed, so that a failure to sign spends no token.
            (result, idToken) = try await vault.exchange(exchange, ifScopeContains: Self.openIDScope) {
                try await idTokens.mint(
                    try await idTokenClaims($0, issuer, client.client, exchange.kind),
                    algorithm: client.registration.idTokenAlgorithm)
            }
        } else {
            result = try await vault.exchange(exchange)
        }
        vault.statistics.exchanged(result, since: start)
        switch result {
        case .issued(let tokens): return TokenResponse(tokens, idToken: idToken)
        case .replayed(let tokens): return TokenResponse(tokens, idToken: idToken, isReplayed: true)
        case .refused(let reason):
            if reason.isAlarm {
                vault.logger.warning(
                    "An authentic token was refused unexpectedly; see the audit log.",
                    metadata: ["reason": "\(reason.rawValue)", "request_id": "\(exchange.requestID ?? "-")"])
            }
            throw OAuthError(reason, exchange.kind)
        case .databaseIsBehind:
            throw await vault.databaseIsBehind()
        }
    }

    /// Writes a refusal into the log at a bounded rate, and returns the error to send.
    func refusal(
        _ error: OAuthError, _ reason: TokenRequestRefusal, of request: TokenRequest,
        by client: AuthenticatedClient
    ) async throws -> OAuthError {
        try await vault.recordRefusal(
            reason, client: client.client, channel: request.origin.channel,
            requestID: request.origin.requestID)
        return error
    }

    /// The error to send for a failure of the vault; the operator reads the cause.
    func failure(_ error: any Error) -> OAuthError {
        let cause =
            error as? VaultError
            ?? VaultError(.internalError, "Unexpected failure of type \(type(of: error)).")
        let answer = OAuthError(cause)
        switch answer.status {
        case _ where cause.code == .integrity || cause.code == .notAVault: vault.noteDamage(cause)
        case 500...502: vault.logger.error("A token request failed.", metadata: ["error": "\(cause)"])
        case 503:
            vault.logger.warning("A token request was answered with 503.", metadata: ["error": "\(cause)"])
        default: break
        }
        return answer
    }
}

extension OAuthError {
    /// What the client reads; which of the causes it was is in the audit log.
    fileprivate init(_ reason: RefusalReason, _ kind: CredentialKind) {
        switch (reason, kind) {
        case (.scopeExceeded, _): self = .scopeExceeded
        case (.scopeChangedOnRetry, _): self = .changedScope
        case (.resourceMismatch, _): self = .otherResource
        case (.clientDisabled, _): self = .invalidClient
        case (_, .authorizationCode):
            self.init(
                .invalidGrant,
                "The code is not valid: unknown, expired, used before, issued to another client, or the "
                    + "redirect_uri or code_verifier is not the one it was asked for with.")
        case (_, .refreshToken):
            self.init(
                .invalidGrant,
                "The refresh_token is not valid: unknown, expired, revoked, used before, or issued to another client."
            )
        }
    }
}
