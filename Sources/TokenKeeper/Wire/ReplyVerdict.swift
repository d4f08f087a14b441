import VaultCore

/// What a reply says, before anybody asks for tokens in it: an error, or none, or what cannot be told. The
/// status alone does not tell: providers write errors into 200 (GitHub, Slack, QuantiModo), and
/// `invalid_grant` into 403 (Atlassian).
enum ReplyVerdict {
    /// 2xx and no error in it.
    case success
    /// A code of ``RefusalCode``.
    case error(code: String)
    case busy(Duration?)
    /// Why the outcome is not known.
    case unclear(String)

    init(
        _ reply: ProviderReply, _ tree: JSONValue?, _ form: Provider.ReplyForm,
        to purpose: ProviderRequest.Purpose, at now: VaultInstant
    ) {
        if purpose == .refresh, Self.isDeadToken(reply.status, tree, form) {
            self = .error(code: "invalid_grant")
            return
        }
        let code = Self.code(in: tree, form) ?? Self.code(of: reply.status, form)
        switch (reply.status, code) {
        case (200..<300, nil): self = .success
        case (200..<300, .some), (400..<500, "invalid_grant"): self = Self.named(code, reply, now)
        case (408, _): self = .unclear("a timeout")
        case (425, _), (429, _): self = .busy(RetryAfter.read(reply, at: now))
        case (401, nil): self = .error(code: RefusalCode.unauthorized)
        case (400..<500, _): self = Self.named(code, reply, now)
        case (504, _): self = .unclear("a timeout of a gateway")
        case (500..<600, _): self = .busy(RetryAfter.read(reply, at: now))
        // RFC 9110 section 15.4: the request was not answered here but has to be made there. We do not follow, for what
        // travels in it is secret; the operator has to change the endpoint.
        case (301, _), (307, _), (308, _): self = .error(code: RefusalCode.moved)
        case (300..<400, _): self = .unclear("a redirect")
        default: self = .unclear("an unexpected status")
        }
    }

    private static func named(_ code: String?, _ reply: ProviderReply, _ now: VaultInstant) -> ReplyVerdict {
        switch code {
        case "temporarily_unavailable", "server_error": .busy(RetryAfter.read(reply, at: now))
        default: .error(code: code ?? RefusalCode.other)
        }
    }

    /// Whether the entry knows this answer for that of a dead refresh token.
    private static func isDeadToken(_ status: Int, _ tree: JSONValue?, _ form: Provider.ReplyForm) -> Bool {
        guard let tree, !form.deadToken.isEmpty else { return false }
        let code = tree.first(of: form.error)?.text
        let description = tree.first(of: form.errorDescription)?.text
        return form.deadToken.contains { $0.matches(status: status, code: code, description: description) }
    }

    /// The error that a body names; nil: none.
    private static func code(in tree: JSONValue?, _ form: Provider.ReplyForm) -> String? {
        guard let tree else { return nil }
        let error = tree.first(of: form.error.filter { tree.value(at: $0)?.isError == true })
        if let text = error?.text { return RefusalCode.read(text, form.errorCodes) }
        if error != nil { return RefusalCode.other }
        guard let success = form.success, let word = tree.value(at: success.path) else { return nil }
        guard let text = word.text else { return RefusalCode.other }
        return success.values.contains(text) ? nil : RefusalCode.read(text, form.errorCodes)
    }

    /// What a refusal without a code means by the entry (glewlwyd says 400 and nothing more); nil: the entry does not say.
    private static func code(of status: Int, _ form: Provider.ReplyForm) -> String? {
        guard (400..<500).contains(status), let meaning = form.errorCodes["http_\(status)"] else {
            return nil
        }
        return RefusalCode.read(meaning, [:])
    }
}

extension JSONValue {
    /// `"error": false` and `"errcode": 0` are how some say that there is none.
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
