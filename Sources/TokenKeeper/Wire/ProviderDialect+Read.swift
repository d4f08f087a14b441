package import TokenVault
package import VaultCore

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
        case (.success, .whole(let tokens)): return .granted(tokens)
        case (.success, .words(let words)):
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
        Answer(reply, of: self, to: .revocation, at: now, sent: sent).reading(())
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
    let verdict: ReplyVerdict
    /// The server's clock minus ours.
    let serverAhead: Duration
    private let reply: ProviderReply
    private let replies: Provider.ReplyForm
    private let purpose: ProviderRequest.Purpose
    private let words: Diagnostic

    init(
        _ reply: ProviderReply, of dialect: ProviderDialect, to purpose: ProviderRequest.Purpose,
        at now: VaultInstant, sent: [SecretBytes]
    ) {
        self.reply = reply
        self.purpose = purpose
        replies = dialect.provider.replies
        body = ReplyBody(reply.body, bareToken: replies.bareToken && (200..<300).contains(reply.status))
        verdict = ReplyVerdict(reply, body.tree, replies, to: purpose, at: now)
        serverAhead = Self.serverAhead(reply, now)
        words = Diagnostic(masking: dialect.secrets(sent), showing: [dialect.credentials.clientID])
    }

    /// What is in a reply without tokens.
    ///
    /// - Parameters:
    ///   - granted: what a success brought; nil: it is not there.
    ///   - missing: what that is, in our own words.
    func reading<Granted>(_ granted: Granted?, missing: String = "") -> ReplyReading<Granted> {
        switch verdict {
        case .success:
            granted.map { .granted($0) } ?? .unreadable(diagnostic: diagnostic("no \(missing) in \(form)"))
        case .error(let code): .refused(refusal(code))
        case .busy(let retryAfter): .busy(retryAfter: retryAfter, diagnostic: diagnostic("busy"))
        case .unclear(let why): .ambiguous(diagnostic: diagnostic(why))
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
