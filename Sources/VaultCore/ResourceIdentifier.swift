/// Names a protected resource that an access token is meant for: an absolute URI without fragment (RFC 8707 section 2).
///
/// ```swift
/// let resource = ResourceIdentifier("https://mcp.example/mcp")
/// ```
///
/// Two of them are equal if they differ only in the case of scheme and authority, or in a lone `/` for an empty path (RFC
/// 3986 section 6.2): clients write both. Otherwise they are compared octet by octet.
public struct ResourceIdentifier: Sendable, Hashable, CustomStringConvertible {
    /// As it was written; `aud` of the token.
    public let text: String
    private let canonical: String

    /// Nil for anything but an absolute URI of at most ``Limits/resourceBytes`` bytes, without fragment and user
    /// information.
    public init?(_ text: String) {
        let octets = Array(text.utf8)
        let scheme = octets.prefix { $0 != UInt8(ascii: ":") }
        let rest = octets.dropFirst(scheme.count + 1)
        guard octets.count <= Limits.resourceBytes, !rest.isEmpty, Self.isScheme(scheme),
            rest.allSatisfy({ (0x21...0x7E).contains($0) && !Self.excluded.contains($0) })
        else { return nil }
        self.text = text
        guard rest.starts(with: "//".utf8) else {
            canonical =
                String(decoding: scheme, as: UTF8.self).lowercased() + ":"
                + String(decoding: rest, as: UTF8.self)
            return
        }
        let authority = rest.dropFirst(2).prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
        let path = rest.dropFirst(2 + authority.count)
        guard !authority.isEmpty, !authority.contains(UInt8(ascii: "@")) else { return nil }
        canonical =
            String(decoding: scheme + Array("://".utf8) + authority, as: UTF8.self).lowercased()
            + (path.elementsEqual("/".utf8) ? "" : String(decoding: path, as: UTF8.self))
    }

    public var description: String { text }

    public static func == (left: Self, right: Self) -> Bool {
        left.canonical.utf8.elementsEqual(right.canonical.utf8)
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(canonical) }

    /// RFC 3986 section 3.1.
    private static func isScheme(_ octets: some Collection<UInt8>) -> Bool {
        func isLetter(_ octet: UInt8) -> Bool { (0x61...0x7A).contains(octet | 0x20) }
        guard let first = octets.first, isLetter(first) else { return false }
        return octets.allSatisfy {
            isLetter($0) || (0x30...0x39).contains($0) || "+-.".utf8.contains($0)
        }
    }

    /// What no URI contains (RFC 3986 appendix A), and what begins a fragment.
    private static let excluded = Array("\"#<>\\^`{|}".utf8)
}
