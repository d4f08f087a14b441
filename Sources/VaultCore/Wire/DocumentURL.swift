/// Where a document may be fetched from: `https`, port 443, a host by its name, a path.
///
/// One address has one spelling, and what another parser might read in another way is refused: user information, a port,
/// percent-escapes, dot segments, a fragment, backslashes, letters outside of ASCII, upper case in the host, a dot at its
/// end, and every host whose last label does not begin with a letter, which takes in addresses in decimal, octal and
/// hexadecimal. Names outside of ASCII are written as A-labels (`xn--`, RFC 5890).
public struct DocumentURL: Sendable, Hashable {
    /// Longer ones are refused, in bytes.
    static let longest = 512

    public let text: String
    /// In lower case, at least two labels.
    public let host: String
    /// Path and query, as they stand in a request (RFC 9112 section 3.2.1).
    public let target: String

    /// Nil: nothing is fetched from there.
    public init?(_ text: String) {
        let scheme = "https://"
        let bytes = Array(text.utf8)
        guard bytes.count <= Self.longest, text.utf8.starts(with: scheme.utf8),
            let slash = bytes[scheme.utf8.count...].firstIndex(of: UInt8(ascii: "/"))
        else { return nil }
        let target = bytes[slash...]
        let path = target.prefix { $0 != UInt8(ascii: "?") }
        let hasDots = path.split(separator: UInt8(ascii: "/")).contains {
            $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8)
        }
        guard Self.isHost(bytes[scheme.utf8.count..<slash]), target.allSatisfy(Self.isPlain), !hasDots else {
            return nil
        }
        self.text = text
        host = String(decoding: bytes[scheme.utf8.count..<slash], as: UTF8.self)
        self.target = String(decoding: target, as: UTF8.self)
    }

    public var hasQuery: Bool { target.utf8.contains(UInt8(ascii: "?")) }

    /// A name in letters, digits and hyphens (RFC 1123 section 2.1) that no parser takes for an address.
    package static func isHost(_ bytes: some Collection<UInt8>) -> Bool {
        let labels = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        let hyphen = UInt8(ascii: "-")
        return bytes.count <= 253 && labels.count >= 2 && labels.last?.first.map(isLetter) == true
            && labels.allSatisfy { label in
                (1...63).contains(label.count) && label.first != hyphen
                    && label.reversed().first != hyphen
                    && label.allSatisfy { isLetter($0) || isDigit($0) || $0 == hyphen }
            }
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte) }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    /// RFC 3986 section 3.3 without percent-escapes, and the question mark.
    private static func isPlain(_ byte: UInt8) -> Bool {
        isLetter(byte | 0x20) && byte < 0x80 || isDigit(byte) || "-._~!$&'()*+,;=:@/?".utf8.contains(byte)
    }
}
