package import VaultCore

extension ProviderDialect {
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
                remedy: "Fill them when the provider is added.")
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
        let query = parameters.formEncoded.withExposed { String(decoding: $0, as: UTF8.self) }
        return endpoint + (endpoint.contains("?") ? "&" : "?") + query
    }
}
