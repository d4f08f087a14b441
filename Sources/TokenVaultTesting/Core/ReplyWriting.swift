import Foundation
import TokenKeeper
import VaultCore

/// Writes replies in the shape that the entry of a provider reads.
extension ScriptedState {
    /// RFC 6749 section 5.1.
    func tokens(
        _ issued: ScriptedTokens, at now: VaultInstant, isExpiryReadable: Bool
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

    /// A value of the success member that does not mean success.
    private func failure(_ values: [String]) -> ReplyTree {
        switch values.first.map(ReplyTree.init(word:)) {
        case .bool(let value): .bool(!value)
        case .number(let number): .number((number...).first { !values.contains(String($0)) } ?? -1)
        default: .text("failed")
        }
    }
}

/// A JSON value that is built by paths (`authed_user.access_token`, `errors.0.errorType`). Members keep the
/// order in which they came, so that equal histories give equal bytes.
enum ReplyTree: Sendable {
    case text(String)
    case number(Int64)
    case bool(Bool)
    case null
    case array([ReplyTree])
    case object([(name: String, value: ReplyTree)])

    /// What a bare word of an entry means: `true`, `0` and `-3` are no strings, `0000` is one.
    init(word: String) {
        if word == "true" || word == "false" {
            self = .bool(word == "true")
        } else if let number = Int64(word), String(number) == word {
            self = .number(number)
        } else {
            self = .text(word)
        }
    }

    /// Puts `value` where the path says, making what is missing on the way.
    mutating func set(_ path: String, to value: ReplyTree) {
        set(path.split(separator: ".").map(String.init)[...], to: value)
    }

    private mutating func set(_ path: ArraySlice<String>, to value: ReplyTree) {
        guard let name = path.first else {
            self = value
            return
        }
        if let index = Int(name), index >= 0, index < 16, !isObject {
            var elements: [ReplyTree] = if case .array(let present) = self { present } else { [] }
            while elements.count <= index { elements.append(.null) }
            elements[index].set(path.dropFirst(), to: value)
            self = .array(elements)
        } else {
            var members: [(name: String, value: ReplyTree)] = []
            if case .object(let present) = self { members = present }
            let place = members.firstIndex { $0.name == name } ?? members.count
            if place == members.count { members.append((name, .null)) }
            members[place].value.set(path.dropFirst(), to: value)
            self = .object(members)
        }
    }

    private var isObject: Bool { if case .object = self { true } else { false } }

    /// The bytes of the value.
    var json: String {
        switch self {
        case .text(let text): Self.quoted(text)
        case .number(let number): String(number)
        case .bool(let value): value ? "true" : "false"
        case .null: "null"
        case .array(let elements): "[" + elements.map(\.json).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { Self.quoted($0.name) + ":" + $0.value.json }.joined(separator: ",") + "}"
        }
    }

    /// The leaves as a form, under the last names of their paths: what GitHub and Facebook once answered.
    var form: String { FormCoding.encode(leaves(name: "")) }

    private func leaves(name: String) -> [(name: String, value: String)] {
        switch self {
        case .text(let text): [(name, text)]
        case .number, .bool: [(name, json)]
        case .null: []
        case .array(let elements): elements.flatMap { $0.leaves(name: name) }
        case .object(let members): members.flatMap { $0.value.leaves(name: $0.name) }
        }
    }

    private static func quoted(_ text: String) -> String {
        String(decoding: JSONValue.quoted(Array(text.utf8)), as: UTF8.self)
    }
}

extension ScriptedOptions.LifetimeSpelling {
    /// The end of a token as a member of a reply.
    func value(until end: VaultInstant, from now: VaultInstant) -> ReplyTree {
        let milliseconds = end.elapsed(since: now).milliseconds
        let seconds = milliseconds / 1000
        return switch self {
        case .seconds: .number(seconds)
        case .secondsText: .text(String(seconds))
        case .milliseconds: .number(milliseconds)
        case .epochSeconds: .number(end.secondsSince1970)
        case .epochMilliseconds: .number(end.millisecondsSince1970)
        case .iso8601: .text(end.written("%Y-%m-%dT%H:%M:%SZ"))
        case .zoneless: .text(end.written("%Y-%m-%d %H:%M:%S"))
        case .days:
            .text("\(seconds / 86400):\(padded(seconds % 86400 / 3600)):\(padded(seconds % 3600 / 60))")
        case .hours: .text("\(seconds / 3600):\(padded(seconds % 3600 / 60)):\(padded(seconds % 60))")
        }
    }
}

extension VaultInstant {
    /// As people write it, in UTC, in a pattern of strftime(3) without words of a language.
    fileprivate func written(_ pattern: String) -> String {
        var (seconds, parts) = (time_t(secondsSince1970), tm())
        gmtime_r(&seconds, &parts)
        var text = [CChar](repeating: 0, count: 64)
        let count = strftime(&text, text.count, pattern, &parts)
        return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// `Tue, 24 Nov 2026 15:06:21 GMT` (RFC 9110 section 5.6.7).
    var fixdate: String {
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let (day, month) = (Int(written("%w")) ?? 0, Int(written("%m")) ?? 1)
        return "\(days[day]), \(written("%d")) \(months[month - 1]) \(written("%Y %H:%M:%S")) GMT"
    }
}

private func padded(_ number: Int64) -> String { number < 10 ? "0\(number)" : String(number) }
