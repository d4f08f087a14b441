import TokenVault
import VaultCore

/// A body of a reply, told by what it looks like and not by its header: providers send JSON as `text/html`, forms as
/// `text/plain`, and compressed what nobody asked to be.
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
