/// A URL that requests and browsers may be sent to: https, or http to this machine; nothing hidden in it.
package enum EndpointURL {
    private static let longest = 2048

    /// Nil: it may be used; otherwise what is wrong with it, as the end of "the URL …".
    package static func fault(of url: String) -> String? {
        guard (1...longest).contains(url.utf8.count) else { return "is empty or too long" }
        guard url.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !#""<>\^`{|}"#.utf8.contains($0) }) else {
            return "has characters that no URL has"
        }
        guard !url.contains("#") else { return "has a fragment, which is never sent" }
        guard let (scheme, authority) = parts(of: url) else { return "is not https://host/path" }
        guard !authority.contains("@") else { return "has a user name or a password in it" }
        guard let host = host(of: authority) else { return "has no proper host" }
        switch scheme {
        case "https": return nil
        case "http" where isLoopback(host): return nil
        case "http": return "is http, which shows secrets to everybody on the way"
        default: return "is not https"
        }
    }

    private static func parts(of url: String) -> (scheme: String, authority: String)? {
        guard let colon = url.firstRange(of: "://") else { return nil }
        let rest = url[colon.upperBound...]
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        return (url[..<colon.lowerBound].lowercased(), String(rest[..<end]))
    }

    /// Without the port; nil where host or port is malformed.
    private static func host(of authority: String) -> String? {
        if authority.hasPrefix("[") {
            guard authority == "[::1]" || authority.hasPrefix("[::1]:"), isPort(authority.dropFirst(5)) else {
                return nil
            }
            return "[::1]"
        }
        let host = authority.prefix { $0 != ":" }
        guard isPort(authority.dropFirst(host.count)), isHostName(host) else { return nil }
        return host.lowercased()
    }

    /// Nothing, or a colon and 1 to 65535.
    private static func isPort(_ text: Substring) -> Bool {
        guard let first = text.first else { return true }
        let digits = text.dropFirst()
        return first == ":" && digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
            && UInt16(digits).map { $0 > 0 } == true
    }

    /// Labels of letters, digits, `-` and `_` with single dots between them.
    private static func isHostName(_ host: Substring) -> Bool {
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        return host.utf8.count <= 253
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                    && label.allSatisfy {
                        $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_")
                    }
            }
    }

    private static func isLoopback(_ host: String) -> Bool {
        if host == "localhost" || host == "[::1]" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}
