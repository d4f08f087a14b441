import TokenVault
package import VaultCore

/// What a provider's answer means: to a request for tokens, for the start of a device flow, or for a revocation.
package enum ReplyReading<Granted: Sendable>: Sendable {
    case granted(Granted)
    case refused(ProviderRefusal)
    /// 429 and 5xx other than 504: nothing was done, later.
    case busy(retryAfter: Duration?, diagnostic: String)
    /// 504, a redirect, or what no rule covers: the provider may have acted.
    case ambiguous(diagnostic: String)
    /// A success that cannot be read: it holds tokens that must not be lost.
    case unreadable(diagnostic: String)

    /// A description for operators; nil if nothing is wrong.
    var diagnostic: String? {
        switch self {
        case .granted: nil
        case .refused(let refusal): refusal.diagnostic
        case .busy(_, let text), .ambiguous(let text), .unreadable(let text): text
        }
    }
}

/// An OAuth error.
package struct ProviderRefusal: Sendable, Equatable {
    package enum Kind: String, Sendable {
        /// `invalid_grant`, and in answer to a refresh whatever else says that only the user can help: the token or code is
        /// refused for good.
        case grant
        /// `invalid_client`: the registration is refused, not the user's grant.
        case client
        /// `unauthorized_client`, and 401 without a code: the registration or the token is refused; which is not told.
        case clientOrToken = "client-or-token"
        /// `authorization_pending`, `slow_down` of the device flow.
        case pending
        case slowDown = "slow-down"
        /// `access_denied`, `expired_token` of the device flow.
        case denied
        /// Anything else: the request was not to the provider's liking.
        case request

        /// Where no refresh token went out, what may be refused is the client.
        var isOfClient: Bool { self == .client || self == .clientOrToken }
    }

    package var kind: Kind
    /// The code as the standard spells it, `unauthorized` for 401 without one, or `other`: nothing of the provider's own text.
    package var code: String
    /// For operators: status, code, description; bounded, control characters and whatever was secret taken out.
    package var diagnostic: String

    package init(_ kind: Kind, code: String, diagnostic: String) {
        self.kind = kind
        self.code = code
        self.diagnostic = diagnostic
    }
}

extension ProviderDialect {
    /// What an answer of the token endpoint means. Whatever has an access token in it is either read whole or
    /// ``ReplyReading/unreadable(diagnostic:)``, never taken for an error: tokens must not be lost.
    ///
    /// - Parameters:
    ///   - now: When it came, on our clock.
    ///   - sent: Every secret of the request; the client's own are added.
    package func read(
        _ reply: ProviderReply, to purpose: ProviderRequest.Purpose, at now: VaultInstant, sent: [SecretBytes]
    ) -> ReplyReading<NewTokens> {
        let answer = Answer(reply, of: self, to: purpose, at: now, sent: sent)
        let tokens = TokenReply(answer.body, provider, at: now, serverAhead: answer.serverAhead)
        switch (answer.verdict, tokens) {
        case (.granted, .whole(let tokens)): return .granted(tokens)
        case (.granted, .words(let words)):
            return .refused(answer.refusal(RefusalCode.other, saying: String(decoding: words, as: UTF8.self)))
        case (_, .whole): return .unreadable(diagnostic: answer.diagnostic("tokens beside an error"))
        case (_, .words): return .unreadable(diagnostic: answer.diagnostic("words beside an error"))
        case (_, .broken(let why)): return .unreadable(diagnostic: answer.diagnostic(why))
        case (_, .missing): return answer.reading(nil, missing: "access token")
        }
    }

    /// What an answer of the revocation endpoint means. Granted: it is revoked, or was not known; RFC 7009 section 2.2
    /// makes no difference.
    package func readRevocation(
        _ reply: ProviderReply, at now: VaultInstant, sent: [SecretBytes]
    ) -> ReplyReading<Void> {
        Answer(reply, of: self, to: .revocation, at: now, sent: sent).verdict
    }

    /// What must not be seen in a diagnostic.
    func secrets(_ sent: [SecretBytes]) -> [SecretBytes] {
        var secrets = sent
        if let secret = credentials.clientSecret { secrets.append(secret) }
        if let basic = basicCredentials { secrets.append(SecretBytes(basic)) }
        return secrets
    }
}

/// A reply, taken apart.
struct Answer {
    let body: ReplyBody
    /// The server's clock minus ours.
    let serverAhead: Duration
    private let reply: ProviderReply
    private let replies: Provider.ReplyForm
    private let purpose: ProviderRequest.Purpose
    private let now: VaultInstant
    private let words: Diagnostic

    init(
        _ reply: ProviderReply, of dialect: ProviderDialect, to purpose: ProviderRequest.Purpose,
        at now: VaultInstant, sent: [SecretBytes]
    ) {
        self.reply = reply
        self.purpose = purpose
        self.now = now
        replies = dialect.provider.replies
        body = ReplyBody(reply.body, bareToken: replies.bareToken && (200..<300).contains(reply.status))
        serverAhead = Self.serverAhead(reply, now)
        words = Diagnostic(masking: dialect.secrets(sent), showing: [dialect.credentials.clientID])
    }

    /// What is in a reply without tokens.
    ///
    /// - Parameters:
    ///   - granted: what a success brought; nil: it is not there.
    ///   - missing: what that is, in our own words.
    func reading<Granted>(_ granted: Granted?, missing: String) -> ReplyReading<Granted> {
        switch verdict {
        case .granted:
            granted.map { .granted($0) } ?? .unreadable(diagnostic: diagnostic("no \(missing) in \(form)"))
        case .refused(let refusal): .refused(refusal)
        case .busy(let retryAfter, let text): .busy(retryAfter: retryAfter, diagnostic: text)
        case .ambiguous(let text): .ambiguous(diagnostic: text)
        case .unreadable(let text): .unreadable(diagnostic: text)
        }
    }

    /// What the body is, in our own words.
    var form: String {
        switch body {
        case .tree: "the reply"
        case .bare: "a lone string"
        case .other(let what): what
        }
    }

    func refusal(_ code: String, saying text: String? = nil) -> ProviderRefusal {
        ProviderRefusal(
            RefusalCode.kind(code, to: purpose), code: code, diagnostic: diagnostic(code, saying: text))
    }

    /// `HTTP 400 invalid_grant (their_code): their description`, scrubbed and bounded.
    func diagnostic(_ what: String, saying text: String? = nil) -> String {
        let code = body.tree?.first(of: replies.error)?.text
        let own = code == what ? "" : words.scrubbed(code)
        let description = words.scrubbed(text ?? body.tree?.first(of: replies.errorDescription)?.text)
        let target = (300..<400).contains(reply.status) ? reply.headers["location"].flatMap(words.place) : nil
        let head =
            "HTTP \(reply.status) \(what)" + (own.isEmpty ? "" : " (\(own))")
            + (target.map { " to \($0)" } ?? "")
        return Diagnostic.bounded(description.isEmpty ? head : head + ": " + description)
    }

    /// Zero where there is no `Date` or it cannot be right: TLS would fail long before clocks are a day apart.
    private static func serverAhead(_ reply: ProviderReply, _ now: VaultInstant) -> Duration {
        guard let date = reply.headers["date"].flatMap(HTTPDate.read) else { return .zero }
        let ahead = date.elapsed(since: now) - now.elapsed(since: date)
        return abs(ahead.milliseconds) <= 86_400_000 ? ahead : .zero
    }
}

extension Answer {
    /// What the reply says, before anybody asks for tokens in it: an error, or none, or what cannot be told. The
    /// status alone does not tell: providers write errors into 200 (GitHub, Slack, QuantiModo), and
    /// `invalid_grant` into 403 (Atlassian).
    var verdict: ReplyReading<Void> {
        if purpose == .refresh, isDeadToken { return .refused(refusal("invalid_grant")) }
        let code = namedCode ?? statusCode
        return switch (reply.status, code) {
        case (200..<300, nil): .granted(())
        case (200..<300, let code?): named(code)
        case (400..<500, "invalid_grant"): .refused(refusal("invalid_grant"))
        case (408, _): .ambiguous(diagnostic: diagnostic("a timeout"))
        case (425, _), (429, _): busy
        case (401, nil): .refused(refusal(RefusalCode.unauthorized))
        case (400..<500, _): named(code ?? RefusalCode.other)
        case (504, _): .ambiguous(diagnostic: diagnostic("a timeout of a gateway"))
        case (500..<600, _): busy
        // RFC 9110 section 15.4: the request was not answered here but has to be made there. We do not follow, for what
        // travels in it is secret; the operator has to change the endpoint.
        case (301, _), (307, _), (308, _): .refused(refusal(RefusalCode.moved))
        case (300..<400, _): .ambiguous(diagnostic: diagnostic("a redirect"))
        default: .ambiguous(diagnostic: diagnostic("an unexpected status"))
        }
    }

    private var busy: ReplyReading<Void> {
        .busy(retryAfter: RetryAfter.read(reply, at: now), diagnostic: diagnostic("busy"))
    }

    private func named(_ code: String) -> ReplyReading<Void> {
        ["temporarily_unavailable", "server_error"].contains(code) ? busy : .refused(refusal(code))
    }

    /// Whether the entry knows this answer for that of a dead refresh token.
    private var isDeadToken: Bool {
        guard let tree = body.tree, !replies.deadToken.isEmpty else { return false }
        let code = tree.first(of: replies.error)?.text
        let description = tree.first(of: replies.errorDescription)?.text
        return replies.deadToken.contains {
            $0.matches(status: reply.status, code: code, description: description)
        }
    }

    /// The error that the body names; nil: none.
    private var namedCode: String? {
        guard let tree = body.tree else { return nil }
        let error = tree.first(of: replies.error.filter { tree.value(at: $0)?.isError == true })
        if let text = error?.text { return RefusalCode.read(text, replies.errorCodes) }
        if error != nil { return RefusalCode.other }
        guard let success = replies.success, let word = tree.value(at: success.path) else { return nil }
        guard let text = word.text else { return RefusalCode.other }
        return success.values.contains(text) ? nil : RefusalCode.read(text, replies.errorCodes)
    }

    /// What a refusal without a code means by the entry (glewlwyd says 400 and nothing more); nil: the entry does not say.
    private var statusCode: String? {
        guard (400..<500).contains(reply.status), let meaning = replies.errorCodes["http_\(reply.status)"]
        else { return nil }
        return RefusalCode.read(meaning, [:])
    }
}

extension JSONValue {
    /// `"error": false` and `"errcode": 0` are how some providers say that there is no error.
    fileprivate var isError: Bool {
        switch self {
        case .bool(false), .number("0"), .array([]): false
        default: true
        }
    }
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or a time of the server's clock.
enum RetryAfter {
    /// No caller is told to come back later than this.
    static let longest = Duration.seconds(86400)

    /// Also with a fraction, of any length, and where two fields became one: then the first counts. Nil: not
    /// told, or told in a way that makes no sense.
    static func read(_ reply: ProviderReply, at now: VaultInstant) -> Duration? {
        guard let text = reply.headers["retry-after"], text.utf8.count <= 256 else { return nil }
        if let match = text.wholeMatch(of: /\s*(\d+(?:\.\d*)?)\s*s?\s*(?:,.*)?/.asciiOnlyDigits()),
            let seconds = Double(match.output.1)
        {
            return .milliseconds(Int64((min(seconds, 86400) * 1000).rounded(.up)))
        }
        guard let time = HTTPDate.read(text) ?? TimeText.read(text) else { return nil }
        let serverNow = reply.headers["date"].flatMap(HTTPDate.read) ?? now
        return min(time.elapsed(since: serverNow), longest)
    }
}

/// Error codes as the standards spell them; a provider's own text never travels further than a diagnostic.
enum RefusalCode {
    static let other = "other"
    /// 401 without a code: some say so of a client, others of a refresh token.
    static let unauthorized = "unauthorized"
    /// No code of a standard: the endpoint is somewhere else by now.
    static let moved = "moved"

    // RFC 6749 sections 4.1.2.1 and 5.2, RFC 7009 section 2.2.1, RFC 8628 section 3.5, RFC 8707 section 2,
    // RFC 6750 section 3.1, RFC 9449 section 5, OpenID Connect Core section 3.1.2.6.
    private static let known: Set<String> = [
        "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
        "invalid_scope", "access_denied", "unsupported_response_type", "server_error",
        "temporarily_unavailable", "unsupported_token_type", "authorization_pending", "slow_down",
        "expired_token", "invalid_target", "invalid_token", "insufficient_scope", "invalid_dpop_proof",
        "use_dpop_nonce", "interaction_required", "login_required", "account_selection_required",
        "consent_required",
    ]

    /// What a provider's code means: by the entry first, then by the standards, whatever its case.
    static func read(_ text: String, _ meanings: [String: String]) -> String {
        if let meaning = meanings[text] { return known.contains(meaning) ? meaning : other }
        let code = text.lowercased()
        return known.contains(code) ? code : other
    }

    static func isKnown(_ code: String) -> Bool { known.contains(code) }

    static func kind(_ code: String, to purpose: ProviderRequest.Purpose) -> ProviderRefusal.Kind {
        switch code {
        case "invalid_grant": .grant
        // OpenID Connect Core section 3.1.2.6: what the end user has to do.
        case "login_required", "interaction_required", "consent_required", "account_selection_required":
            purpose == .refresh ? .grant : .request
        case "invalid_client": .client
        case "unauthorized_client", unauthorized: .clientOrToken
        case "authorization_pending" where purpose == .deviceToken: .pending
        case "slow_down" where purpose == .deviceToken: .slowDown
        case "access_denied", "expired_token": purpose == .deviceToken ? .denied : .request
        default: .request
        }
    }
}
