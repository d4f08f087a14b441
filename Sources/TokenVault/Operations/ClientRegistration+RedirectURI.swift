extension ClientRegistration {
    /// Whether the client registered this redirect URI.
    ///
    /// RFC 9700 section 2.1 asks for exact string matching, "except for port numbers in localhost redirection URIs of
    /// native apps": `http://127.0.0.1` and `http://[::1]` are accepted with any port (RFC 8252 section 7.3). The name
    /// `localhost` may resolve to something else and is compared like any other.
    public func accepts(redirectURI: String) -> Bool {
        redirectURIs.contains { registered in
            if registered.utf8.elementsEqual(redirectURI.utf8) { return true }
            guard let own = LoopbackURI(registered), let asked = LoopbackURI(redirectURI) else {
                return false
            }
            return own == asked
        }
    }
}

/// A redirect URI on a loopback address, its port left out.
private struct LoopbackURI: Equatable {
    private let address: String
    /// From the slash or question mark behind the authority on.
    private let rest: [UInt8]

    init?(_ uri: String) {
        guard let address = ["http://127.0.0.1", "http://[::1]"].first(where: { Self.begins(uri, $0) }) else {
            return nil
        }
        var rest = Array(uri.utf8)[address.utf8.count...]
        if rest.first == UInt8(ascii: ":") {
            let digits = rest.dropFirst().prefix { (0x30...0x39).contains($0) }
            // What is no port number is no loopback URI either: `127.0.0.1:80@elsewhere` ends here.
            guard let port = UInt16(String(decoding: digits, as: UTF8.self)), port > 0 else { return nil }
            rest = rest[digits.endIndex...]
        }
        guard rest.first.map({ $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") }) ?? true else {
            return nil
        }
        self.address = address
        self.rest = Array(rest)
    }

    private static func begins(_ uri: String, _ address: String) -> Bool {
        uri.utf8.starts(with: address.utf8)
    }
}
