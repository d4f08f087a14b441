import TokenVault
import VaultCore
import VaultCrypto

extension TokenIssuer {
    /// Decides whether a request is in order, before anybody is asked anything.
    ///
    /// RFC 6749 section 4.1.2.1: "If the request fails due to a missing, invalid, or mismatching redirection URI, or
    /// if the client identifier is missing or invalid, the authorization server SHOULD inform the resource owner of
    /// the error and MUST NOT automatically redirect the user-agent to the invalid redirection URI." So the client
    /// and its redirect URI come first; what follows may be sent there.
    func judge(_ request: AuthorizationRequest, issuer: String) async throws(AuthorizationRefusal)
        -> PendingAuthorization
    {
        let client = try await client(of: request)
        let responder = try responder(to: request, of: client, issuer: issuer)
        do throws(OAuthError) {
            return try await judge(request, of: client, answeredBy: responder)
        } catch {
            throw .answer(responder.answer(error))
        }
    }

    private func client(of request: AuthorizationRequest) async throws(AuthorizationRefusal) -> Client {
        guard let clientID = request["client_id"] else { throw .page(.missing("client_id")) }
        let client: Client?
        do {
            if var known = try await vault.clients.first(identifiedBy: clientID) {
                // What such clients may have is the operator's to say at any time, of each and of all.
                if known.isSelfRegistered, registration != nil {
                    let (own, open) = (known.registration.scope, try await scopeOfSelfRegistered())
                    known.registration.scope = known.isChangedByOperator ? own.intersection(open) : open
                }
                let isDescribed = known.state == .active && known.documentURL != nil
                client = isDescribed ? try await describedClient(clientID, known: known) : known
            } else if let described = try await describedClient(clientID, known: nil) {
                client = described
            } else {
                client = try await unregisteredClient(clientID)
            }
        } catch { throw .page(error as? OAuthError ?? failure(error)) }
        guard let client, client.state == .active else {
            // One text for every cause: it must not tell which client identifiers exist.
            throw .page(
                .invalidRequest(
                    "The application that sent you here is not known to this server, or was switched off."))
        }
        return client
    }

    private func responder(to request: AuthorizationRequest, of client: Client, issuer: String)
        throws(AuthorizationRefusal) -> AuthorizationResponder
    {
        let registered = client.registration.redirectURIs
        let redirectURI: String
        if let asked = request["redirect_uri"] {
            guard client.registration.accepts(redirectURI: asked) else {
                throw .page(
                    .invalidRequest(
                        "The address to return to is not one that this application has registered."))
            }
            redirectURI = asked
        } else {
            guard profile.impliesRedirectURI, registered.count == 1, let only = registered.first else {
                throw .page(
                    .invalidRequest("The request does not say where to return to: redirect_uri is missing."))
            }
            redirectURI = only
        }
        return AuthorizationResponder(
            redirectURI: redirectURI, mode: request.responseMode, state: request["state"], issuer: issuer,
            isTrusted: !client.isSelfRegistered)
    }

    private func judge(
        _ request: AuthorizationRequest, of client: Client, answeredBy responder: AuthorizationResponder
    ) async throws(OAuthError) -> PendingAuthorization {
        if request["request"] != nil {
            throw OAuthError(
                .requestNotSupported, "Request objects are not supported: send the parameters themselves.")
        }
        if request["request_uri"] != nil {
            throw OAuthError(
                .requestURINotSupported, "request_uri is not supported: send the parameters themselves.")
        }
        if request["registration"] != nil {
            throw OAuthError(.registrationNotSupported, "Clients are not registered here.")
        }
        let responseType = try responseType(of: request, for: client.registration)
        // Multiple Response Type Encoding Practices section 3: tokens "MUST NOT" go into the query.
        guard request["response_mode"].map({ $0 == responder.mode.rawValue }) ?? true else {
            throw .invalidRequest(
                "The response_mode is query, fragment or form_post; query is not for tokens.")
        }
        let scope = try scope(of: request, responseType, for: client)
        let resource = try request["resource"].map { (text) throws(OAuthError) in
            guard let resource = ResourceIdentifier(text) else { throw .malformedResource }
            return resource
        }
        let nonce = request["nonce"]
        guard nonce?.utf8.count ?? 0 <= AuthorizationRequest.longestNonce else {
            throw .invalidRequest("The nonce is longer than \(AuthorizationRequest.longestNonce) bytes.")
        }
        // OpenID Connect Core section 3.2.2.1: nonce is "REQUIRED" in the implicit flow.
        guard nonce != nil || !responseType.hasIDToken else {
            throw .invalidRequest("A response_type with id_token needs a nonce.")
        }
        guard let prompts = Prompt.set(request["prompt"]) else {
            throw .invalidRequest(
                "The prompt is one or more of login, consent and select_account, or none alone.")
        }
        return PendingAuthorization(
            client: client, scope: scope, resource: resource,
            loginHint: request["login_hint"].flatMap { $0.utf8.count <= Limits.nameBytes ? $0 : nil },
            request: request, responseType: responseType,
            codeChallenge: try challenge(of: request, responseType, for: client.registration), nonce: nonce,
            prompts: prompts, maximumAge: try request.maximumAge(), responder: responder)
    }

    private func responseType(of request: AuthorizationRequest, for registration: ClientRegistration)
        throws(OAuthError) -> ResponseType
    {
        guard let words = request["response_type"] else { throw .missing("response_type") }
        guard let type = ResponseType(words: words), !type.hasIDToken || idTokens != nil else {
            throw OAuthError(.unsupportedResponseType, "The response_type is not one this server answers.")
        }
        let isRegistered =
            registration.responseTypes.contains(type)
            && (type != .code || registration.grantTypes.contains(.authorizationCode))
        guard isRegistered else {
            throw OAuthError(.unauthorizedClient, "The client is not registered for this response_type.")
        }
        return type
    }

    private func scope(of request: AuthorizationRequest, _ type: ResponseType, for client: Client)
        throws(OAuthError) -> ScopeSet
    {
        guard let asked = ScopeSet(parsing: request["scope"] ?? "") else { throw .malformedScope }
        // RFC 6749 section 3.3: a request without scope gets a "pre-defined default value"; ours is all of it. "The
        // authorization server MAY fully or partially ignore the scope requested by the client": clients ask for all
        // that metadata name, and for names that other servers know. What they may not have is left out, and the answer's
        // `scope` tells.
        let registered = client.registration.scope
        let scope = asked.isEmpty ? registered : asked.intersection(registered)
        guard asked.isEmpty || !scope.isEmpty else { throw .scopeExceeded }
        // A token for nothing in particular is not given to just anyone.
        guard !client.isSelfRegistered || !scope.isEmpty else { throw .scopeExceeded }
        guard !type.hasIDToken || scope.names.contains("openid") else {
            throw .invalidRequest("A response_type with id_token needs the scope openid.")
        }
        return scope
    }

    private func challenge(
        of request: AuthorizationRequest, _ type: ResponseType, for registration: ClientRegistration
    ) throws(OAuthError) -> String? {
        // What the implicit types hand out is not redeemed: there is nothing to bind.
        guard type == .code else { return nil }
        // RFC 7636 section 4.3: an absent method is `plain`, which RFC 9700 section 2.1.1 rules out.
        guard let challenge = request["code_challenge"] else {
            guard request["code_challenge_method"] == nil else { throw .challengeMethod }
            // RFC 9700 section 2.1.1: "Public clients MUST use PKCE". So must those whose codes can be read on the way.
            guard !registration.isPublic, registration.insecureHosts.isEmpty else {
                throw .invalidRequest(
                    "This client must send a code_challenge (PKCE, RFC 7636) with the method S256.")
            }
            return nil
        }
        guard request["code_challenge_method"] == "S256" else { throw .challengeMethod }
        guard PKCE.isChallenge(challenge) else {
            throw .invalidRequest("The code_challenge is not 43 characters of base64url, as S256 makes.")
        }
        return challenge
    }
}

extension AuthorizationRequest {
    /// Where the answer stands: errors go where the tokens would have gone, also for an unsupported type.
    fileprivate var responseMode: AuthorizationResponder.Mode {
        let words = (self["response_type"] ?? "").split(separator: " ")
        if self["response_mode"] == AuthorizationResponder.Mode.formPost.rawValue { return .formPost }
        let isForTokens = words.contains("token") || words.contains("id_token")
        return isForTokens || self["response_mode"] == "fragment" ? .fragment : .query
    }

    fileprivate func maximumAge() throws(OAuthError) -> Duration? {
        guard let text = self["max_age"] else { return nil }
        let isNumber = text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard isNumber, text.utf8.count <= 10, let seconds = Int64(text) else {
            throw .invalidRequest("The max_age is a number of seconds.")
        }
        return .seconds(seconds)
    }
}

extension ScopeSet {
    /// What is left to judge: a client asks for `offline_access` (OpenID Connect Core section 11) whether it was registered
    /// for that or not. It decides nothing here: a client gets refresh tokens if it is registered for `refresh_token`, and
    /// its user is asked for the same consent.
    func withoutOfflineAccess(for registration: ClientRegistration) -> ScopeSet {
        let name = "offline_access"
        guard names.contains(name), !registration.scope.names.contains(name) else { return self }
        return ScopeSet(parsing: names.filter { $0 != name }.joined(separator: " ")) ?? self
    }
}

extension ResponseType {
    var hasIDToken: Bool { self == .idToken || self == .idTokenToken }
    var hasAccessToken: Bool { self == .token || self == .idTokenToken }
}
