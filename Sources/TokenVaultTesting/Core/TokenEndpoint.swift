import TokenKeeper
import VaultCore
import VaultCrypto

/// The token endpoint: every grant type of RFC 6749 and RFC 8628 that a keeper uses.
extension ScriptedState {
    mutating func token(
        _ request: ScriptedRequest, isRefreshOnly: Bool, at now: VaultInstant, _ isExpiryReadable: Bool
    ) throws(OAuthProblem) -> ScriptedAnswer {
        if let limited = limit(at: now) { return limited }
        let parameters = try tokenParameters(request)
        let kinds = ["authorization_code", refreshType, "client_credentials", DeviceGrant.type]
        guard let type = kinds.first(where: { parameters["grant_type"] == word(for: $0) }) else {
            throw OAuthProblem("unsupported_grant_type")
        }
        // Where the entry has an address for refreshes each address does its own work only.
        let isRefresh = type == refreshType
        guard isRefresh == isRefreshOnly || entry.endpoints.refresh == nil else {
            throw OAuthProblem("unsupported_grant_type", "Not at this address.")
        }
        if !isOpenRefresh(request, parameters, isRefresh) { try authenticate(request, parameters) }
        try require(extras(of: type), in: parameters)
        let issued =
            switch type {
            case "authorization_code": try exchange(parameters, at: now)
            case refreshType: try refresh(parameters, at: now)
            case "client_credentials":
                book.grant(.client, scope: grantable(parameters["scope"]), at: now, random: &random)
            default: try exchangeDeviceCode(parameters, at: now)
            }
        return tokens(issued, at: now, isExpiryReadable: isExpiryReadable)
    }

    /// What is granted of a scope that was asked for.
    func grantable(_ scope: String?) -> [String] {
        let asked = scopeNames(scope) ?? options.grantableScope ?? []
        guard let most = options.grantableScope else { return asked }
        return asked.filter(most.contains)
    }

    /// RFC 6749 section 4.1.3, RFC 7636 section 4.6.
    private mutating func exchange(
        _ parameters: RequestParameters, at now: VaultInstant
    ) throws(OAuthProblem) -> ScriptedTokens {
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
    ) throws(OAuthProblem) -> ScriptedTokens {
        switch entry.refresh.method {
        case .none: throw OAuthProblem("unsupported_grant_type", "Nothing is refreshed here.")
        case .accessToken:
            let token = try parameters.required("access_token")
            return try book.refresh(token, scope: nil, at: now, random: &random)
        case .refreshToken:
            let token = try parameters.required("refresh_token")
            let scope = scopeNames(parameters["scope"])
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

/// The authorization endpoint: a user who has decided beforehand.
extension ScriptedState {
    /// RFC 6749 section 4.1.1: back to the client at once, with a code or with `access_denied`.
    mutating func authorize(_ request: ScriptedRequest, at now: VaultInstant) -> ScriptedAnswer {
        let parameters: RequestParameters
        do throws(OAuthProblem) {
            guard request.method == "GET" else { return page(405, "Only GET.") }
            parameters = try otherParameters(request)
        } catch { return page(400, error.description) }
        // Section 4.1.2.1: a client or a redirect_uri that is wrong is told to the user, not to the redirect_uri.
        guard parameters["client_id"] == options.clientID else { return page(400, "Unknown client.") }
        guard let target = parameters["redirect_uri"], !target.contains("#"), target.contains("://"),
            !target.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7F })
        else { return page(400, "No redirect_uri.") }

        var reply: [(name: String, value: String)] = []
        if let problem = problem(parameters) {
            reply.append(("error", problem))
        } else {
            let challenge = parameters["code_challenge"]
            let scope = grantable(parameters["scope"])
            let code = issueCode(scope: scope, codeChallenge: challenge, redirectURI: target, at: now)
            reply.append(("code", code))
            for name in entry.requests.keptCallbackParameters {
                reply.append((name, options.keptValues[name] ?? "kept-" + name))
            }
        }
        if let state = parameters["state"] { reply.append(("state", state)) }
        if let issuer = issuer(request) { reply.append(("iss", issuer)) }
        let joint = target.contains("?") ? "&" : "?"
        return ScriptedAnswer(status: 302, headers: [("Location", target + joint + FormCoding.encode(reply))])
    }

    mutating func issueCode(
        scope: [String], codeChallenge: String?, redirectURI: String, at now: VaultInstant
    ) -> String {
        let code = random.token("code_")
        codes[code] = Code(
            scope: scope, challenge: codeChallenge, redirectURI: redirectURI,
            expiresAt: now.advanced(by: options.codeLifetime))
        return code
    }

    private func problem(_ parameters: RequestParameters) -> String? {
        let type =
            entry.requests.authorize[entry.requests.names["response_type"] ?? "response_type"] ?? "code"
        guard parameters["response_type"] ?? "" == type else { return "unsupported_response_type" }
        for (name, value) in entry.requests.authorize where !value.contains("{") {
            guard parameters.verbatim(name) == (value.isEmpty ? nil : value) else { return "invalid_request" }
        }
        if entry.requests.usesPKCE {
            guard let challenge = parameters["code_challenge"], PKCE.isChallenge(challenge),
                parameters["code_challenge_method"] == "S256"
            else { return "invalid_request" }
        }
        return options.consent == .given ? nil : "access_denied"
    }

    private func page(_ status: Int, _ text: String) -> ScriptedAnswer {
        ScriptedAnswer(
            status: status, headers: [("Content-Type", "text/plain; charset=utf-8")], body: Array(text.utf8))
    }
}

/// A device that waits for its user (RFC 8628).
struct DeviceGrant: Sendable {
    enum Decision: Sendable { case none, approved, denied, used }

    static let type = "urn:ietf:params:oauth:grant-type:device_code"

    var scope: [String]
    var userCode: String
    var expiresAt: VaultInstant
    var interval: Duration
    var polledAt: VaultInstant?
    var decision = Decision.none
}

extension ScriptedState {
    /// Section 3.1.
    mutating func deviceAuthorization(
        _ request: ScriptedRequest, at now: VaultInstant
    ) throws(OAuthProblem) -> ScriptedAnswer {
        let parameters = try otherParameters(request)
        // Section 3.1: public clients send their identifier; the others authenticate as at the token endpoint.
        try authenticate(request, parameters)
        let code = random.token("dc_")
        // Section 6.1: letters that people do not mix up, and no vowels that would make words.
        let letters = Array("BCDFGHJKLMNPQRSTVWXZ")
        var userCode = String((0..<8).map { _ in letters[Int(random.next() % 20)] })
        userCode.insert("-", at: userCode.index(userCode.startIndex, offsetBy: 4))
        devices[code] = DeviceGrant(
            scope: grantable(parameters["scope"]), userCode: userCode,
            expiresAt: now.advanced(by: options.deviceLifetime), interval: options.devicePollInterval)
        let place = issuer(request) ?? "https://scripted.example"
        return write(
            .object([
                ("device_code", .text(code)), ("user_code", .text(userCode)),
                ("verification_uri", .text(place + "/go")),
                ("verification_uri_complete", .text(place + "/go?user_code=" + userCode)),
                ("expires_in", .number(options.deviceLifetime.milliseconds / 1000)),
                ("interval", .number(options.devicePollInterval.milliseconds / 1000)),
            ]), status: 200)
    }

    /// Section 3.5.
    mutating func exchangeDeviceCode(
        _ parameters: RequestParameters, at now: VaultInstant
    ) throws(OAuthProblem) -> ScriptedTokens {
        let name = try parameters.required("device_code")
        guard var device = devices[name], device.decision != .used else {
            throw .grant("The device code is not known here, or used.")
        }
        defer { devices[name] = device }
        guard now < device.expiresAt else { throw OAuthProblem("expired_token") }
        let isEarly = device.polledAt.map { now.elapsed(since: $0) < device.interval } ?? false
        device.polledAt = now
        switch device.decision {
        case .none where isEarly:
            // "the interval MUST be increased by 5 seconds for this and all subsequent requests"
            device.interval += .seconds(5)
            throw OAuthProblem("slow_down")
        case .none: throw OAuthProblem("authorization_pending")
        case .denied: throw OAuthProblem("access_denied")
        case .approved, .used:
            device.decision = .used
            return book.grant(.user, scope: device.scope, at: now, random: &random)
        }
    }

    /// Whether there was such a device waiting.
    mutating func decide(userCode: String, _ decision: DeviceGrant.Decision) -> Bool {
        guard let (name, _) = devices.first(where: { $0.value.userCode == userCode }),
            devices[name]?.decision == DeviceGrant.Decision.none
        else { return false }
        devices[name]?.decision = decision
        return true
    }
}
