import TokenKeeper
import VaultCore
import VaultCrypto

/// The authorization endpoint: a user who has decided beforehand.
extension ScriptedState {
    /// RFC 6749 section 4.1.1: back to the client at once, with a code or with `access_denied`.
    mutating func authorize(_ request: ScriptedRequest, at now: VaultInstant) -> ScriptedAnswer {
        let parameters: RequestParameters
        do throws(OAuthProblem) {
            guard request.method == "GET" else { return page(405, "Only GET.") }
            parameters = try reading.otherParameters(request)
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
