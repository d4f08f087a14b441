package import VaultCore

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
}
