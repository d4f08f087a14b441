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

extension ProviderDialect {
    /// RFC 6749 section 4.1.3, with the verifier of RFC 7636 section 4.5.
    package func codeExchange(
        code: SecretBytes, redirectURI: String, verifier: SecretBytes?
    ) -> ProviderRequest {
        var parameters = parameters(grantType: "authorization_code")
        parameters.add("code", code)
        parameters.add("redirect_uri", redirectURI)
        if provider.requests.usesPKCE { parameters.add("code_verifier", verifier) }
        return request(
            .codeExchange, to: provider.endpoints.token, parameters, adding: provider.requests.exchange)
    }

    /// RFC 6749 section 6, or the exchange of the access token itself where the provider has no other way.
    /// Nil where nothing can be refreshed: the entry says so, or there is no refresh token.
    package func refresh(
        refreshToken: SecretBytes?, accessToken: SecretBytes, scope: String?
    ) -> ProviderRequest? {
        var parameters: RequestParameters
        switch provider.refresh.method {
        case .none: return nil
        case .refreshToken:
            guard let refreshToken else { return nil }
            parameters = self.parameters(grantType: "refresh_token")
            parameters.add("refresh_token", refreshToken)
        case .accessToken:
            parameters = self.parameters(grantType: "access_token")
            parameters.add("access_token", accessToken)
        }
        parameters.add("scope", scope.map(written))
        return request(
            .refresh, to: provider.endpoints.refresh ?? provider.endpoints.token, parameters,
            adding: provider.requests.refresh)
    }

    /// RFC 6749 section 4.4.2.
    package func clientCredentials(scope: String?) -> ProviderRequest {
        var parameters = parameters(grantType: "client_credentials")
        parameters.add("scope", scope.map(written))
        return request(
            .clientCredentials, to: provider.endpoints.token, parameters,
            adding: provider.requests.clientCredentials)
    }

    /// RFC 7009 section 2.1; nil where the provider has no endpoint for it. Always POST, as the RFC says,
    /// whatever the method of the token endpoint.
    package func revocation(_ token: SecretBytes, hint: TokenHint) -> ProviderRequest? {
        guard let url = provider.endpoints.revocation else { return nil }
        var parameters = RequestParameters(names: provider.requests.names)
        parameters.add("token", token)
        parameters.add("token_type_hint", hint.rawValue)
        return request(.revocation, .post, to: url, parameters)
    }

    /// RFC 8628 section 3.1; nil where the provider has no endpoint for it.
    package func deviceAuthorization(scope: String?) -> ProviderRequest? {
        guard let url = provider.endpoints.deviceAuthorization else { return nil }
        var parameters = RequestParameters(names: provider.requests.names)
        // Also beside client authentication: providers look for it here alone.
        parameters.add("client_id", credentials.clientID)
        parameters.add("scope", scope.map(written))
        return request(.deviceAuthorization, .post, to: url, parameters)
    }

    /// RFC 8628 section 3.4.
    package func deviceToken(deviceCode: SecretBytes) -> ProviderRequest {
        var parameters = parameters(grantType: "urn:ietf:params:oauth:grant-type:device_code")
        parameters.add("device_code", deviceCode)
        return request(.deviceToken, to: provider.endpoints.token, parameters)
    }

    /// A scope as the provider separates its names.
    func written(_ scope: String) -> String {
        var seen: Set<Substring> = []
        return scope.split(whereSeparator: \.isWhitespace).filter { seen.insert($0).inserted }
            .joined(separator: provider.requests.scopeSeparator)
    }

    private func parameters(grantType: String) -> RequestParameters {
        var parameters = RequestParameters(names: provider.requests.names)
        parameters.add("grant_type", provider.requests.grantTypes[grantType] ?? grantType)
        return parameters
    }

    /// Authenticates the client, adds what the entry adds, and puts everything where the provider wants it.
    private func request(
        _ purpose: ProviderRequest.Purpose, _ method: ProviderRequest.Method? = nil, to url: String,
        _ parameters: RequestParameters, adding extras: [String: String] = [:]
    ) -> ProviderRequest {
        let form = provider.requests
        var parameters = parameters
        var request = ProviderRequest(purpose, method ?? form.method, url)
        request.headers = [("Accept", SecretBytes(copying: "application/json"))]
        if let authorization = authenticate(&parameters) {
            request.headers.append(("Authorization", authorization))
        }
        parameters.put(extras)
        switch form.body {
        case _ where request.method == .get, .query: request.query = parameters.formEncoded
        case .form:
            request.headers.append(
                ("Content-Type", SecretBytes(copying: "application/x-www-form-urlencoded")))
            request.body = parameters.formEncoded
        case .json:
            request.headers.append(("Content-Type", SecretBytes(copying: "application/json")))
            request.body = parameters.json
        }
        for (name, value) in form.headers.sorted(by: { $0.key < $1.key }) {
            request.headers.removeAll { $0.name.lowercased() == name.lowercased() }
            request.headers.append((name, SecretBytes(copying: value)))
        }
        return request
    }

    /// Whether the consent URL has a parameter of the standards: an entry may leave one out.
    func asks(with name: String) -> Bool {
        provider.requests.authorize[provider.requests.names[name] ?? name] == nil
    }

    /// Whether PKCE binds a code to who began the consent.
    var bindsCode: Bool {
        let verifier = provider.requests.names["code_verifier"] ?? "code_verifier"
        return provider.requests.usesPKCE && asks(with: "code_challenge")
            && provider.requests.exchange[verifier] == nil
    }

    /// Where a user's browser goes to consent (RFC 6749 section 4.1.1).
    ///
    /// - Parameters:
    ///   - state: Travels in the URL by need; letters, digits and `-._~`.
    ///   - scope: Names with spaces between them.
    ///   - codeChallenge: S256 (RFC 7636 section 4.3); left out where the provider has no PKCE.
    /// - Throws: ``VaultError/Code/invalidInput`` where the entry has no authorization endpoint, still has variables
    ///   in it, or `state` would need encoding.
    package func authorizationURL(
        state: SecretBytes, redirectURI: String, scope: String?, codeChallenge: String?, nonce: String?
    ) throws(VaultError) -> String {
        guard let endpoint = provider.endpoints.authorization else {
            throw VaultError(
                .invalidInput, "The provider \(provider.name) has no authorization endpoint.",
                remedy: "Give its entry one, or use the device flow or client credentials.")
        }
        guard !endpoint.contains("{") else {
            throw VaultError(
                .invalidInput, "The authorization endpoint of \(provider.name) still has variables in it.",
                remedy: "Give their values when you add the provider.")
        }
        guard state.withExposed({ !$0.isEmpty && FormCoding.encode($0) == $0 }) else {
            throw VaultError(.invalidInput, "The state does not fit into a URL.", remedy: "Use base64url.")
        }
        var parameters = RequestParameters(names: provider.requests.names)
        parameters.add("response_type", "code")
        parameters.add("client_id", credentials.clientID)
        parameters.add("redirect_uri", redirectURI)
        parameters.add("scope", scope.map(written))
        parameters.add("state", state)
        if provider.requests.usesPKCE, let codeChallenge {
            parameters.add("code_challenge", codeChallenge)
            parameters.add("code_challenge_method", "S256")
        }
        parameters.add("nonce", nonce)
        parameters.put(provider.requests.authorize)
        return endpoint + (endpoint.contains("?") ? "&" : "?") + parameters.formEncoded.text
    }

    /// Puts the client's identifier and secret where the entry says, in one place alone (RFC 6749 section 2.3).
    ///
    /// - Returns: the value of `Authorization`; nil: it is in the parameters.
    func authenticate(_ parameters: inout RequestParameters) -> SecretBytes? {
        guard provider.client != .none, let secret = credentials.clientSecret else {
            parameters.add("client_id", credentials.clientID)
            return nil
        }
        if let basic = basicCredentials {
            return SecretBytes(Array("Basic ".utf8) + Array(Base64.encode(basic).utf8))
        }
        parameters.add("client_id", credentials.clientID)
        parameters.add("client_secret", secret)
        return nil
    }

    /// What Basic is made of; nil where the secret does not travel that way.
    var basicCredentials: [UInt8]? {
        guard let secret = credentials.clientSecret else { return nil }
        let colon = UInt8(ascii: ":")
        let identifier = Array(credentials.clientID.utf8)
        return secret.withExposed { secret in
            switch provider.client {
            // Section 2.3.1: each "is encoded using the application/x-www-form-urlencoded encoding algorithm".
            case .basic: FormCoding.encode(identifier) + [colon] + FormCoding.encode(secret)
            case .basicRaw: identifier + [colon] + secret
            case .basicSecretOnly: secret + [colon]
            case .post, .none: nil
            }
        }
    }
}

/// Parameters of one request under the names that the provider has for them, in the order they are written.
struct RequestParameters {
    private(set) var pairs: [(name: String, value: SecretBytes)] = []
    private let names: [String: String]

    /// - Parameter names: the provider's names by the standard's.
    init(names: [String: String]) {
        self.names = names
    }

    /// Appends a parameter of the standards, unless there is nothing to say or it is there already.
    mutating func add(_ name: String, _ value: SecretBytes?) {
        let name = names[name] ?? name
        guard let value, !pairs.contains(where: { $0.name == name }) else { return }
        pairs.append((name, value))
    }

    mutating func add(_ name: String, _ value: String?) {
        add(name, value.map { SecretBytes(copying: $0) })
    }

    /// Puts the entry's own parameters in: they take the place of one of the same name, an empty value removes it.
    mutating func put(_ extras: [String: String]) {
        for (name, value) in extras.sorted(by: { $0.key < $1.key }) {
            let place = pairs.firstIndex { $0.name == name }
            switch (place, value.isEmpty) {
            case (let place?, true): pairs.remove(at: place)
            case (let place?, false): pairs[place].value = SecretBytes(copying: value)
            case (nil, true): break
            case (nil, false): pairs.append((name, SecretBytes(copying: value)))
            }
        }
    }

    /// `application/x-www-form-urlencoded`.
    var formEncoded: SecretBytes {
        var text: [UInt8] = []
        for (name, value) in pairs {
            if !text.isEmpty { text.append(UInt8(ascii: "&")) }
            text += FormCoding.encode(Array(name.utf8))
            text.append(UInt8(ascii: "="))
            text += value.withExposed(FormCoding.encode)
        }
        return SecretBytes(text)
    }

    /// One JSON object of strings.
    var json: SecretBytes {
        var text = Array("{".utf8)
        for (name, value) in pairs {
            if text.count > 1 { text.append(UInt8(ascii: ",")) }
            text += JSONValue.quoted(Array(name.utf8))
            text.append(UInt8(ascii: ":"))
            text += value.withExposed(JSONValue.quoted)
        }
        return SecretBytes(text + Array("}".utf8))
    }
}
