import VaultCore

/// The tokens of a reply.
enum TokenReply {
    /// Not a trace of an access token.
    case missing
    /// There is something, and why it cannot be taken.
    case broken(String)
    case whole(GrantedTokens)

    init(_ body: ReplyBody, _ provider: Provider, at now: VaultInstant, serverAhead: Duration) {
        switch body {
        case .other: self = .missing
        case .bare(let token):
            var tokens = GrantedTokens(accessToken: SecretBytes(token))
            tokens.accessExpiresAt = provider.expiry.defaultLifetime.map(now.advanced)
            self = .whole(tokens)
        case .tree(let tree):
            let members = TokenMembers(tree, provider)
            do {
                guard let accessToken = try members.token(provider.replies.accessToken, "access token") else {
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

    private let tree: ReplyValue
    private let provider: Provider
    /// What holds the access token: `authed_user` of `authed_user.access_token`.
    private let holder: Substring?

    init(_ tree: ReplyValue, _ provider: Provider) {
        self.tree = tree
        self.provider = provider
        holder = provider.replies.accessToken.first { tree.value(at: $0) != nil }.map(Self.holder)
    }

    func tokens(
        _ accessToken: SecretBytes, at now: VaultInstant, serverAhead: Duration
    ) throws(Broken) -> GrantedTokens {
        let replies = provider.replies
        var tokens = GrantedTokens(accessToken: accessToken)
        tokens.refreshToken = try token(beside(replies.refreshToken), "refresh token")
        tokens.idToken = try token(idToken, "ID token")
        tokens.scope = ScopeText.read(tree.first(of: beside(replies.scope)))
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

    /// The token at the first of `paths` that has anything.
    func token(_ paths: [String], _ name: String) throws(Broken) -> SecretBytes? {
        switch tree.first(of: paths) {
        case nil: return nil
        case .string(let bytes)? where GrantedTokens.isToken(bytes): return SecretBytes(bytes)
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
            guard let text = tree.value(at: path)?.text, text.utf8.count <= GrantedTokens.metadataBytes,
                text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
            else { continue }
            kept[path] = text
        }
        return kept
    }
}

extension GrantedTokens {
    /// The longest token that is taken: with the claims of hundreds of groups some reach 16 KiB.
    package static let tokenBytes = 32 * 1024
    /// The longest value that is kept from a reply.
    package static let metadataBytes = 2048

    // RFC 6749 appendix A.12: access-token = 1*VSCHAR, and a space at an end would not survive a header.
    package static func isToken(_ bytes: [UInt8]) -> Bool {
        (1...tokenBytes).contains(bytes.count) && bytes.allSatisfy { (0x20...0x7E).contains($0) }
            && bytes.first != 0x20 && bytes.last != 0x20
    }
}

/// A scope as providers write it: names with spaces or commas between them, or a list.
enum ScopeText {
    private static let longest = 16 * 1024

    /// Names with single spaces between them, each once; nil: none are told.
    static func read(_ value: ReplyValue?) -> String? {
        let texts: [String]
        switch value {
        case .array(let values)?: texts = values.compactMap(\.text)
        default: texts = [value?.text].compactMap(\.self)
        }
        var seen: Set<Substring> = []
        let names = texts.flatMap { $0.split { $0 == " " || $0 == "," } }.filter { seen.insert($0).inserted }
        let scope = names.joined(separator: " ")
        // RFC 6749 section 3.3, and what of it can be sent back.
        guard !scope.isEmpty, scope.utf8.count <= longest,
            scope.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
        else { return nil }
        return scope
    }
}
