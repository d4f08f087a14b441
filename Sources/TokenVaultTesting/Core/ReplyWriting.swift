import TokenKeeper
import VaultCore

/// Writes replies in the shape that the entry of a provider reads.
struct ReplyWriting: Sendable {
    let entry: Provider
    let options: ScriptedOptions

    /// RFC 6749 section 5.1.
    func tokens(
        _ issued: GrantBook.IssuedTokens, at now: VaultInstant, isExpiryReadable: Bool
    ) -> ScriptedAnswer {
        let form = entry.replies
        var tree = ReplyTree.object([])
        for name in form.kept { tree.set(name, to: .text(options.keptValues[name] ?? "kept-" + name)) }
        if let success = form.success, let value = success.values.first {
            tree.set(success.path, to: ReplyTree(word: value))
        }
        if let path = form.accessToken.first {
            tree.set(path, to: .text(issued.accessToken))
            let envelope = path.split(separator: ".").dropLast().map { $0 + "." }.joined()
            tree.set(envelope + "token_type", to: .text(tokenType))
        }
        let isTold = issued.isRefreshTokenNew || options.repeatsRefreshToken
        if let path = form.refreshToken.first, let token = issued.refreshToken, isTold {
            tree.set(path, to: .text(token))
        }
        if let path = form.expiry.first {
            if !isExpiryReadable {
                tree.set(path, to: .text("in a while"))
            } else if options.tellsExpiry, let end = issued.accessExpiresAt {
                tree.set(path, to: options.lifetimeSpelling.value(until: end, from: now))
            } else if options.tellsExpiry, options.spellsNeverAsZero {
                tree.set(path, to: .number(0))
            }
        }
        if options.tellsRefreshExpiry, let path = form.refreshExpiry.first, let end = issued.refreshExpiresAt
        {
            tree.set(path, to: options.lifetimeSpelling.value(until: end, from: now))
        }
        if options.tellsScope, let path = form.scope.first {
            tree.set(path, to: .text(issued.scope.joined(separator: entry.requests.scopeSeparator)))
        }
        return write(tree, status: options.successStatus)
    }

    /// RFC 6749 section 5.2.
    ///
    /// - Parameter isRefresh: some providers have a code of their own for each kind of grant.
    func refusal(_ problem: OAuthProblem, isRefresh: Bool) -> ScriptedAnswer {
        let form = entry.replies
        var tree = ReplyTree.object([])
        if let success = form.success { tree.set(success.path, to: failure(success.values)) }
        if let path = form.error.first {
            tree.set(path, to: ReplyTree(word: theirCode(problem.code, isRefresh: isRefresh)))
        }
        if let path = form.errorDescription.first, !problem.description.isEmpty {
            tree.set(path, to: .text(problem.description))
        }
        let status = options.errorStatus == 200 ? 200 : problem.status ?? options.errorStatus
        var answer = write(tree, status: status)
        answer.headers += problem.headers
        return answer
    }

    func write(_ tree: ReplyTree, status: Int) -> ScriptedAnswer {
        let (type, text) =
            switch options.replyFormat {
            case .json: ("application/json;charset=UTF-8", tree.json)
            case .form: ("application/x-www-form-urlencoded", tree.form)
            }
        return ScriptedAnswer(
            status: status, headers: [("Content-Type", type), ("Cache-Control", "no-store")],
            body: Array(text.utf8))
    }

    private var tokenType: String {
        if case .header(let scheme) = entry.accessToken { scheme } else { "Bearer" }
    }

    /// The provider's own word for an error code, the one with `refresh` in it for a refresh.
    private func theirCode(_ standard: String, isRefresh: Bool) -> String {
        let own = entry.replies.errorCodes.filter { $0.value == standard }.map(\.key).sorted()
        return own.first { $0.contains("refresh") == isRefresh } ?? own.first ?? standard
    }

    /// A value of the success member that is none of those that mean success.
    private func failure(_ values: [String]) -> ReplyTree {
        switch values.first.map(ReplyTree.init(word:)) {
        case .bool(let value): .bool(!value)
        case .number(let number): .number((number...).first { !values.contains(String($0)) } ?? -1)
        default: .text("failed")
        }
    }
}
