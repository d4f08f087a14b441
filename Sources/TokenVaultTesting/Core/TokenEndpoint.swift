import TokenKeeper
import VaultCore
import VaultCrypto

/// The token endpoint: every grant type of RFC 6749 and RFC 8628 that a keeper uses.
extension ScriptedState {
    mutating func token(
        _ request: ScriptedRequest, isRefreshOnly: Bool, at now: VaultInstant, _ isExpiryReadable: Bool
    ) throws(OAuthProblem) -> ScriptedAnswer {
        if let limited = limit(at: now) { return limited }
        let parameters = try reading.tokenParameters(request)
        let kinds = ["authorization_code", refreshType, "client_credentials", DeviceGrant.type]
        guard let type = kinds.first(where: { parameters["grant_type"] == word(for: $0) }) else {
            throw OAuthProblem("unsupported_grant_type")
        }
        // Where the entry has an address for refreshes each address does its own work only.
        let isRefresh = type == refreshType
        guard isRefresh == isRefreshOnly || entry.endpoints.refresh == nil else {
            throw OAuthProblem("unsupported_grant_type", "Not at this address.")
        }
        if !isOpenRefresh(request, parameters, isRefresh) { try reading.authenticate(request, parameters) }
        try require(extras(of: type), in: parameters)
        let issued =
            switch type {
            case "authorization_code": try exchange(parameters, at: now)
            case refreshType: try refresh(parameters, at: now)
            case "client_credentials":
                book.grant(.client, scope: grantable(parameters["scope"]), at: now, random: &random)
            default: try exchangeDeviceCode(parameters, at: now)
            }
        return writing.tokens(issued, at: now, isExpiryReadable: isExpiryReadable)
    }

    /// What is granted of a scope that was asked for.
    func grantable(_ scope: String?) -> [String] {
        let asked = reading.scope(scope) ?? options.grantableScope ?? []
        guard let most = options.grantableScope else { return asked }
        return asked.filter(most.contains)
    }

    /// RFC 6749 section 4.1.3, RFC 7636 section 4.6.
    private mutating func exchange(
        _ parameters: RequestParameters, at now: VaultInstant
    ) throws(OAuthProblem) -> GrantBook.IssuedTokens {
        let name = try parameters.required("code")
        guard let code = codes[name] else { throw .grant("The code is not known here.") }
        if let family = code.family {
            // Section 4.1.2: deny the request and "revoke (when possible) all tokens previously issued".
            book.revoke(family: family)
            throw .grant("The code was used before.")
        }
        guard now < code.expiresAt else { throw .grant("The code is expired.") }
        guard parameters["redirect_uri"] == code.redirectURI else {
            throw .grant("The redirect_uri is not that of the authorization request.")
        }
        let proof = parameters["code_verifier"].flatMap { PKCE.challengeS256(of: SecretBytes(copying: $0)) }
        guard proof == code.challenge, code.challenge != nil || parameters["code_verifier"] == nil else {
            throw .grant("The code_verifier does not prove the code_challenge.")
        }
        let issued = book.grant(.user, scope: code.scope, at: now, random: &random)
        codes[name]?.family = issued.family
        return issued
    }

    private mutating func refresh(
        _ parameters: RequestParameters, at now: VaultInstant
    ) throws(OAuthProblem) -> GrantBook.IssuedTokens {
        switch entry.refresh.method {
        case .none: throw OAuthProblem("unsupported_grant_type", "Nothing is refreshed here.")
        case .accessToken:
            let token = try parameters.required("access_token")
            return try book.refresh(token, scope: nil, at: now, random: &random)
        case .refreshToken:
            let token = try parameters.required("refresh_token")
            let scope = reading.scope(parameters["scope"])
            return try book.refresh(token, scope: scope, at: now, random: &random)
        }
    }

    /// Who exchanges an access token for a newer one may go without credentials (Instagram).
    private func isOpenRefresh(
        _ request: ScriptedRequest, _ parameters: RequestParameters, _ isRefresh: Bool
    ) -> Bool {
        isRefresh && entry.refresh.method == .accessToken && request.header("authorization") == nil
            && parameters["client_secret"] == nil
    }

    /// What the entry calls a grant type; nil: requests of the kind go without.
    private func word(for type: String) -> String? {
        let name = entry.requests.names["grant_type"] ?? "grant_type"
        let word = extras(of: type)[name] ?? entry.requests.grantTypes[type] ?? type
        return word.isEmpty ? nil : word
    }

    private func extras(of type: String) -> [String: String] {
        switch type {
        case "authorization_code": entry.requests.exchange
        case refreshType: entry.requests.refresh
        case "client_credentials": entry.requests.clientCredentials
        default: [:]
        }
    }

    /// What the entry wants sent with every request of the kind, or left out of it.
    private func require(
        _ fixed: [String: String], in parameters: RequestParameters
    ) throws(OAuthProblem) {
        for (name, value) in fixed.sorted(by: { $0.key < $1.key }) {
            let sent = parameters.verbatim(name)
            let isAsked = value.isEmpty ? sent == nil : sent == value || (sent != nil && value.contains("{"))
            guard isAsked else {
                throw .request("The parameter \(name) is missing, another or too much.")
            }
        }
    }

    private mutating func limit(at now: VaultInstant) -> ScriptedAnswer? {
        guard options.enforcesRateLimit, let limit = entry.rateLimit else { return nil }
        var window = rateWindow ?? (now, 0)
        if now.elapsed(since: window.start) >= limit.period { window = (now, 0) }
        window.count += 1
        rateWindow = window
        guard window.count > limit.requests else { return nil }
        let left = window.start.advanced(by: limit.period).elapsed(since: now).milliseconds
        return ScriptedAnswer(status: 429, headers: [("Retry-After", String((left + 999) / 1000))])
    }
}
