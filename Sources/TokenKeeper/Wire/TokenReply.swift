import TokenVault
import VaultCore
import VaultCrypto

/// The tokens of a reply.
enum TokenReply {
    /// Not a trace of an access token.
    case missing
    /// Words for people stand in the place of the access token, and no other token beside them: an error.
    case words([UInt8])
    /// There is something, and why it cannot be taken.
    case broken(String)
    case whole(NewTokens)

    init(_ body: ReplyBody, _ provider: Provider, at now: VaultInstant, serverAhead: Duration) {
        switch body {
        case .other: self = .missing
        case .bare(let token):
            var tokens = NewTokens(accessToken: SecretBytes(token))
            tokens.accessExpiresAt = provider.expiry.defaultLifetime.map(now.advanced)
            self = .whole(tokens)
        case .tree(let tree):
            let members = TokenMembers(tree, provider)
            do {
                if let words = members.words {
                    self = .words(words)
                    return
                }
                guard let accessToken = try members.accessToken else {
                    self = members.hasStray ? .broken("an access token is where none is expected") : .missing
                    return
                }
                self = .whole(try members.tokens(accessToken, at: now, serverAhead: serverAhead))
            } catch {
                self = .broken(error.why)
            }
        }
    }
}

/// Where the tokens and what belongs to them are in a tree.
private struct TokenMembers {
    struct Broken: Error { let why: String }

    private let tree: JSONValue
    private let provider: Provider
    /// What holds the access token: `authed_user` of `authed_user.access_token`.
    private let holder: Substring?

    init(_ tree: JSONValue, _ provider: Provider) {
        self.tree = tree
        self.provider = provider
        holder = provider.replies.accessToken.first { tree.value(at: $0) != nil }.map(Self.holder)
    }

    func tokens(
        _ accessToken: SecretBytes, at now: VaultInstant, serverAhead: Duration
    ) throws(Broken) -> NewTokens {
        let replies = provider.replies
        var tokens = NewTokens(accessToken: accessToken)
        tokens.refreshToken = try token(
            beside(replies.refreshToken), "refresh token", NewTokens.isToken)
        // Nothing but nonce and subject is asked of it: one that cannot be read says nothing, and costs nothing.
        if case .string(let bytes)? = tree.first(of: idToken), NewTokens.isToken(bytes) {
            tokens.idToken = SecretBytes(bytes)
        }
        tokens.account = account(tokens.idToken)
        tokens.scope = ScopeText.read(
            tree.first(of: beside(replies.scope)), separator: provider.requests.scopeSeparator)
        switch expiry(beside(replies.expiry), now, serverAhead) {
        case .absent: tokens.accessExpiresAt = provider.expiry.defaultLifetime.map(now.advanced)
        case .never: tokens.accessExpiresAt = nil
        case .at(let instant): tokens.accessExpiresAt = instant
        }
        if case .at(let instant) = expiry(beside(replies.refreshExpiry), now, serverAhead) {
            tokens.refreshExpiresAt = instant
        }
        tokens.metadata = kept
        return tokens
    }

    /// Where the entry says that the account is named, else the subject of the ID token (OpenID Connect Core section 2).
    private func account(_ idToken: SecretBytes?) -> String? {
        let paths = provider.replies.account
        let told =
            (paths.isEmpty ? nil : tree.first(of: paths)) ?? idToken.flatMap { IDToken.claim("sub", in: $0) }
        return told?.text.flatMap { (1...NewTokens.metadataBytes).contains($0.utf8.count) ? $0 : nil }
    }

    var accessToken: SecretBytes? {
        get throws(Broken) {
            try token(provider.replies.accessToken, "access token", NewTokens.isAccessToken)
        }
    }

    /// What stands in the place of the access token where it reads as an error (casdoor: `error: token is
    /// expired by 23m`). Nil also where any part of the reply may be a token after all.
    var words: [UInt8]? {
        guard case .string(let bytes)? = tree.first(of: provider.replies.accessToken),
            bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }), bytes.first != 0x20, bytes.last != 0x20,
            bytes.contains(0x20) || RefusalCode.isKnown(String(decoding: bytes, as: UTF8.self)),
            !Diagnostic.hasTokenLikeRun(bytes), tree.first(of: provider.replies.refreshToken) == nil
        else { return nil }
        return bytes
    }

    /// The token at the first of `paths` that has anything.
    private func token(
        _ paths: [String], _ name: String, _ isToken: ([UInt8]) -> Bool
    ) throws(Broken) -> SecretBytes? {
        switch tree.first(of: paths) {
        case nil: return nil
        case .string(let bytes)? where isToken(bytes): return SecretBytes(bytes)
        case .string?: throw Broken(why: "the \(name) has characters or a length that no token has")
        case .contradiction?: throw Broken(why: "there are two of the \(name)")
        default: throw Broken(why: "the \(name) is not a string")
        }
    }

    /// A member called like an access token, anywhere: an error that comes with one is not taken at its word.
    var hasStray: Bool {
        let names = provider.replies.accessToken.compactMap { $0.split(separator: ".").last.map(String.init) }
        return tree.hasMember(named: Set(names + ["access_token", "accessToken"]))
    }

    /// Paths with the same holder as the access token, where there are any: tokens of two grants are not mixed.
    private func beside(_ paths: [String]) -> [String] {
        let near = paths.filter { Self.holder($0) == holder }
        return near.isEmpty ? paths : near
    }

    private var idToken: [String] {
        let near = holder.map { $0.isEmpty ? [] : ["\($0).id_token"] } ?? []
        return near + ["id_token"]
    }

    private func expiry(_ paths: [String], _ now: VaultInstant, _ serverAhead: Duration) -> ExpiryReading {
        ExpiryReading.read(tree.first(of: paths), as: provider.expiry.form, at: now, serverAhead: serverAhead)
    }

    private static func holder(_ path: String) -> Substring {
        path[..<(path.lastIndex(of: ".") ?? path.startIndex)]
    }

    /// What the entry wants kept: short text, never a token.
    private var kept: [String: String] {
        let secret = Set(provider.replies.accessToken + provider.replies.refreshToken + ["id_token"])
        var kept: [String: String] = [:]
        for path in provider.replies.kept where !secret.contains(path) {
            guard let text = tree.value(at: path)?.text, text.utf8.count <= NewTokens.metadataBytes,
                text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
            else { continue }
            kept[path] = text
        }
        return kept
    }
}

extension NewTokens {
    /// The longest token that is taken: with the claims of hundreds of groups some reach 16 KiB.
    package static let tokenBytes = 32 * 1024
    /// The longest value that is kept from a reply.
    package static let metadataBytes = 2048

    // RFC 6749 appendix A.12: access-token = 1*VSCHAR, and a space at an end would not survive a header.
    package static func isToken(_ bytes: [UInt8]) -> Bool {
        (1...tokenBytes).contains(bytes.count) && bytes.allSatisfy { (0x20...0x7E).contains($0) }
            && bytes.first != 0x20 && bytes.last != 0x20
    }

    // RFC 6750 section 2.1 knows neither spaces nor quotes nor brackets in what follows Bearer; all of its b64token would
    // turn away tokens that are in use (Salesforce's have an exclamation mark, eBay's a caret). The name of an error is no
    // token, nor is what programs write for nothing.
    package static func isAccessToken(_ bytes: [UInt8]) -> Bool {
        guard isToken(bytes), !bytes.contains(where: { #" "<>\{}"#.utf8.contains($0) }) else { return false }
        let text = String(decoding: bytes, as: UTF8.self)
        return !RefusalCode.isKnown(text) && !["null", "undefined", "None", "nil"].contains(text)
    }
}

/// A scope as providers write it: names with spaces or commas between them, or a list.
enum ScopeText {
    private static let longest = 16 * 1024

    /// Names with single spaces between them, each once; nil if the reply has no scope.
    ///
    /// - Parameter separator: The provider's own, where it has one.
    static func read(_ value: JSONValue?, separator: String = " ") -> String? {
        let texts: [String]
        switch value {
        case .array(let values)?: texts = values.compactMap(\.text)
        default: texts = [value?.text].compactMap(\.self)
        }
        var seen: Set<Substring> = []
        let names = texts.flatMap { $0.split { $0.isWhitespace || $0 == "," || String($0) == separator } }
            .filter { seen.insert($0).inserted }
        let scope = names.joined(separator: " ")
        // RFC 6749 section 3.3, and what of it can be sent back.
        guard !scope.isEmpty, scope.utf8.count <= longest,
            scope.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
        else { return nil }
        return scope
    }
}

/// A body of a reply, told by what it looks like and not by its header: providers send JSON as `text/html`, forms as
/// `text/plain`, and unrequested compression.
enum ReplyBody {
    case tree(JSONValue)
    /// Nothing but a token.
    case bare([UInt8])
    /// What it is instead, in our own words.
    case other(String)

    /// - Parameter bareToken: whether a lone string may be taken for a token.
    init(_ body: SecretBytes, bareToken: Bool) {
        self = body.withExposed { Self.read($0, bareToken) }
    }

    var tree: JSONValue? {
        guard case .tree(let value) = self else { return nil }
        return value
    }

    private static func read(_ body: [UInt8], _ bareToken: Bool) -> ReplyBody {
        guard body.count <= Limits.sealedReplyBytes else { return .other("too long a body") }
        let text = text(of: body)
        switch text.first {
        case nil: return .other("no body")
        case UInt8(ascii: "<"): return .other("a page of HTML or XML")
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            return JSONReader.read(text, isStrict: false).map(Self.tree) ?? .other("malformed JSON")
        case UInt8(ascii: "\""):
            guard bareToken, case .string(let string)? = JSONReader.read(text, isStrict: false),
                isBareToken(string)
            else {
                return .other("a lone JSON string")
            }
            return .bare(string)
        default:
            if bareToken, isBareToken(text) { return .bare(text) }
            return form(text).map(Self.tree) ?? .other("neither JSON nor a form")
        }
    }

    /// Whether a body is one JSON object or list from beginning to end.
    fileprivate static func isWhole(_ body: [UInt8]) -> Bool {
        let text = text(of: body)
        return "{[".utf8.contains(text.first ?? 0) && JSONReader.read(text, isStrict: false) != nil
    }

    private static func text(of body: [UInt8]) -> [UInt8] {
        trimmed(Inflate.read(body, limit: Limits.sealedReplyBytes) ?? body)
    }

    /// Without white space around it and without a byte order mark.
    private static func trimmed(_ body: [UInt8]) -> [UInt8] {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let text = body.starts(with: mark) ? body.dropFirst(mark.count) : body[...]
        guard let start = text.firstIndex(where: { !isSpace($0) }),
            let end = text.lastIndex(where: { !isSpace($0) })
        else { return [] }
        return Array(text[start...end])
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    /// RFC 6750 section 2.1 `b64token`; long and with a digit, which `Unauthorized` and `OperationSuccessful` are not.
    private static func isBareToken(_ text: [UInt8]) -> Bool {
        guard (16...NewTokens.tokenBytes).contains(text.count),
            let end = text.lastIndex(where: { $0 != UInt8(ascii: "=") }),
            text.contains(where: { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return false }
        return text[...end].allSatisfy { FormCoding.isUnreserved($0) || "+/".utf8.contains($0) }
    }

    /// Pairs of name and value; a token reply has about six.
    private static func form(_ text: [UInt8]) -> JSONValue? {
        let parts = text.split(separator: UInt8(ascii: "&"))
        guard parts.count <= 256, parts.allSatisfy({ $0.contains(UInt8(ascii: "=")) }),
            let pairs = FormCoding.pairs(text)
        else { return nil }
        var members: [String: JSONValue] = [:]
        for (name, value) in pairs {
            guard isName(name.utf8) else { return nil }
            JSONValue.put(.string(Array(value.utf8)), name, into: &members)
        }
        return .object(members)
    }

    private static func isName(_ name: String.UTF8View) -> Bool {
        !name.isEmpty && name.allSatisfy { (0x21...0x7E).contains($0) }
    }
}

extension ProviderReply {
    /// Whether nothing of the body is missing, however the connection ended and whatever the header promised: one JSON
    /// object or list ends where it ends.
    package var isWhole: Bool { body.withExposed(ReplyBody.isWhole) }
}
