/// Where a redirect URI leads, for people and for the browser's policy.
struct Destination: CustomStringConvertible {
    let description: String
    /// Sources for `form-action`: Chromium applies it to every redirect after a form.
    let formTargets: [String]

    init(_ redirectURI: String) {
        let scheme = redirectURI.prefix { $0 != ":" }.lowercased()
        guard scheme == "http" || scheme == "https" else {
            description = "the app \(scheme) on this device"
            let isPlain = scheme.utf8.allSatisfy(Self.isSchemeCharacter)
            formTargets = isPlain ? [scheme + ":"] : []
            return
        }
        let authority = redirectURI.dropFirst(scheme.count + 3)
            .prefix { $0 != "/" && $0 != "?" && $0 != "#" }.lowercased()
        let isLoopback = ["127.0.0.1", "[::1]", "localhost"].contains {
            authority == $0 || authority.hasPrefix($0 + ":")
        }
        description = isLoopback ? "an app on this device (\(authority))" : authority
        if authority.utf8.allSatisfy(Self.isHostCharacter) {
            formTargets = ["\(scheme)://\(authority)"]
        } else {
            // A policy has no way to write the address of IPv6, and must not be broken by anything else.
            formTargets = [scheme + ":"]
        }
    }

    private static func isHostCharacter(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."),
            UInt8(ascii: "-"), UInt8(ascii: ":"):
            true
        default: false
        }
    }

    // RFC 3986 section 3.1: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
    private static func isSchemeCharacter(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."),
            UInt8(ascii: "-"), UInt8(ascii: "+"):
            true
        default: false
        }
    }
}
