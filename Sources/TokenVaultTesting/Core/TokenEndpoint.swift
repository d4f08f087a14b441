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
        let sent = parameters["grant_type"] ?? ""
        let types = entry.requests.grantTypes
        let type = ["authorization_code", "refresh_token", "client_credentials", DeviceGrant.type]
            .first { (types[$0] ?? $0) == sent }
        guard let type else { throw OAuthProblem("unsupported_grant_type") }
        // Where the entry has an address for refreshes each address does its own work only.
        let isRefresh = type == "refresh_token"
        guard isRefresh == isRefreshOnly || entry.endpoints.refresh == nil else {
            throw OAuthProblem("unsupported_grant_type", "Not at this address.")
        }
        if !isOpenRefresh(request, parameters, isRefresh) { try reading.authenticate(request, parameters) }
        let issued =
            switch type {
            case "authorization_code": try exchange(parameters, at: now)
            case "refresh_token": try refresh(parameters, at: now)
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
        try require(entry.requests.exchange, in: parameters)
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
        try require(entry.requests.refresh, in: parameters)
        switch entry.refresh.method {
        case .none: throw OAuthProblem("unsupported_grant_type", "Nothing is refreshed here.")
        case .accessToken:
            guard let token = parameters["access_token"] ?? parameters["refresh_token"] else {
                throw .request("The access token is missing.")
            }
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

    /// What the entry wants sent with every request of the kind.
    private func require(
        _ fixed: [String: String], in parameters: RequestParameters
    ) throws(OAuthProblem) {
        for (name, value) in fixed.sorted(by: { $0.key < $1.key }) {
            let sent = parameters.verbatim(name)
            guard sent == value || (sent != nil && value.contains("{")) else {
                throw .request("The parameter \(name) is missing or another.")
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
