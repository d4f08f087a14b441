import Foundation
package import VaultCore

extension ClientRegistration {
    /// The registration with each value of a list once; what could not work or would not be safe is refused.
    ///
    /// - Throws: ``VaultError/Code/invalidInput`` with the member and what it may be.
    package func checked() throws -> ClientRegistration {
        var registration = self
        registration.authenticationMethods = authenticationMethods.withoutRepeats
        registration.grantTypes = grantTypes.withoutRepeats
        registration.responseTypes = responseTypes.withoutRepeats
        registration.redirectURIs = redirectURIs.withoutRepeats
        registration.postLogoutRedirectURIs = postLogoutRedirectURIs.withoutRepeats
        registration.insecureHosts = insecureHosts.map { $0.lowercased() }.withoutRepeats
        try registration.check()
        return registration
    }

    private func check() throws {
        try NameRules.check(name, what: "client name")
        guard !authenticationMethods.isEmpty, !grantTypes.isEmpty || isImplicit else {
            throw invalid("A client needs an authentication method and a grant type.")
        }
        guard !authenticationMethods.contains(.none) || isPublic else {
            throw invalid(
                "The method 'none' cannot be combined with others: the client is public or it is not.")
        }
        guard !(isPublic && grantTypes.contains(.clientCredentials)) else {
            throw invalid(
                "A public client cannot use client_credentials: it has nothing to prove itself with.")
        }
        guard !grantTypes.contains(.authorizationCode) || !redirectURIs.isEmpty else {
            throw invalid("A client for authorization_code needs a redirect URI.")
        }
        guard !isImplicit || !redirectURIs.isEmpty else {
            throw invalid("A client for an implicit response type needs a redirect URI.")
        }
        try checkKeySet()
        for uris in [redirectURIs, postLogoutRedirectURIs] {
            guard uris.count <= Limits.redirectURIs else {
                throw invalid("A client may have \(Limits.redirectURIs) redirect URIs.")
            }
            for uri in uris {
                try RedirectURIRules.check(uri, appSchemes: appSchemes, insecureHosts: insecureHosts)
            }
        }
        guard insecureHosts.isEmpty || !isImplicit else {
            throw invalid(
                "A client whose redirect URIs are not encrypted cannot use an implicit response type.")
        }
        let areHosts = insecureHosts.allSatisfy { host in
            (1...253).contains(host.utf8.count) && host.utf8.allSatisfy { (0x21...0x7E).contains($0) }
        }
        guard areHosts, insecureHosts.count <= Limits.redirectURIs else {
            throw invalid("Hosts without TLS are at most \(Limits.redirectURIs) names or addresses.")
        }
        guard isPublic || (appSchemes.isEmpty && !acceptsAnyLocalhostPort) else {
            throw invalid(
                "Schemes without a dot, and localhost with any port, are for public clients, which use PKCE.")
        }
        for scheme in appSchemes { try RedirectURIRules.check(appScheme: scheme) }
        try lifetimes.check()
        guard rotation.isWithinLimits else {
            throw invalid(
                "A replaced refresh token works for 1 minute to 30 days, and for 1 to \(Limits.staleGenerations) generations."
            )
        }
    }

    /// Whether its keys are of a kind that can verify is known only to who verifies with them.
    private func checkKeySet() throws {
        let isUsed = authenticationMethods.contains(.privateKeyJWT)
        if let keySetURI {
            guard isUsed, keySet == nil else {
                throw invalid("A jwks_uri is for clients that use private_key_jwt, instead of a JWK Set.")
            }
            guard DocumentURL(keySetURI) != nil else {
                throw invalid(
                    "A jwks_uri is an https URL with a host name in lower case and a path, without a port, user "
                        + "information, percent-escapes, dot segments or a fragment.")
            }
            return
        }
        guard let keySet else {
            guard !isUsed else {
                throw invalid("A client for private_key_jwt needs a JWK Set, or a jwks_uri.")
            }
            return
        }
        guard isUsed else { throw invalid("A JWK Set is for clients that use private_key_jwt.") }
        _ = try KeySetText.read(keySet)
    }
}

extension Array where Element: Hashable {
    /// Each value once, where it stands first.
    fileprivate var withoutRepeats: [Element] {
        var seen: Set<Element> = []
        return filter { seen.insert($0).inserted }
    }
}

extension Lifetimes {
    func check() throws {
        guard (.seconds(1)...Limits.authorizationCodeLifetime).contains(authorizationCode) else {
            throw invalid("An authorization code lives 1 to 600 seconds.")
        }
        guard (.zero...Limits.retryWindow).contains(retryWindow) else {
            throw invalid("The retry window is 0 to 600 seconds.")
        }
        let tenYears = Duration.seconds(3660 * 86400)
        guard (.seconds(1)...tenYears).contains(accessToken), (.seconds(1)...tenYears).contains(idle),
            (.seconds(1)...tenYears).contains(absolute)
        else { throw invalid("Lifetimes are 1 second to 10 years.") }
    }
}

/// What a redirect URI may look like when it is registered (RFC 6749 section 3.1.2, RFC 8252 sections 7 and 8).
package enum RedirectURIRules {
    package static func check(
        _ uri: String, appSchemes: [String] = [], insecureHosts: [String] = []
    ) throws {
        let isPlain = uri.utf8.allSatisfy {
            (0x21...0x7E).contains($0) && !Array("\"<>\\^`{|}".utf8).contains($0)
        }
        guard uri.utf8.count <= Limits.redirectURIBytes, isPlain, let parts = URLComponents(string: uri),
            let scheme = parts.scheme?.lowercased()
        else {
            throw invalid("A redirect URI is an absolute URI of at most \(Limits.redirectURIBytes) bytes.")
        }
        guard parts.fragment == nil, !uri.contains("#") else {
            throw invalid("A redirect URI has no fragment (RFC 6749 section 3.1.2).")
        }
        guard parts.user == nil, parts.password == nil, !uri.contains("*") else {
            throw invalid("A redirect URI has no user information and no wildcard.")
        }
        switch scheme {
        case "https":
            guard let host = parts.host, !host.isEmpty else { throw invalid("The redirect URI has no host.") }
        case "http":
            let host = parts.host?.lowercased() ?? ""
            guard
                ["127.0.0.1", "[::1]", "::1", "localhost"].contains(parts.host ?? "")
                    || !host.isEmpty && insecureHosts.contains(host)
            else {
                throw VaultError(
                    .invalidInput,
                    "A redirect URI with http is accepted for loopback addresses only; use https.",
                    remedy: "In a private network without certificates, accept http for this host.")
            }
        case _ where unsafe.contains(scheme): throw invalid("A redirect URI of this scheme is never safe.")
        default:
            // RFC 8252 section 7.1: a private-use scheme is a reversed domain name, so it holds a dot.
            guard scheme.contains(".") || appSchemes.contains(scheme) else {
                throw invalid(
                    "A private-use scheme is a reversed domain name, as in com.example.app:/callback.")
            }
        }
    }

    /// A scheme that one client may use although it names no domain.
    static func check(appScheme scheme: String) throws {
        let isPlain = scheme.utf8.allSatisfy {
            (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2B || $0 == 0x2D
        }
        guard isPlain, (2...32).contains(scheme.utf8.count), scheme.first?.isLetter == true,
            !unsafe.contains(scheme), !["http", "https"].contains(scheme)
        else {
            throw invalid("A scheme for redirect URIs has 2 to 32 letters, digits, '+' or '-', as cursor.")
        }
    }

    private static let unsafe: Set = [
        "javascript", "data", "file", "vbscript", "about", "blob", "filesystem", "intent", "view-source",
        "ws",
        "wss", "ftp", "mailto", "sms", "tel",
    ]
}

/// Names of users and clients.
package enum NameRules {
    package static func check(_ name: String, what: String) throws {
        guard !name.isEmpty, name.utf8.count <= Limits.nameBytes else {
            throw invalid("A \(what) has 1 to \(Limits.nameBytes) bytes.")
        }
        guard name.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) else {
            throw invalid("A \(what) has no control characters.")
        }
        guard name.first?.isWhitespace == false, name.last?.isWhitespace == false else {
            throw invalid("A \(what) does not begin or end with a space.")
        }
    }
}

package func invalid(_ message: String) -> VaultError {
    VaultError(.invalidInput, message)
}

extension ClientRegistration {
    /// Whether the client registered this redirect URI.
    ///
    /// RFC 9700 section 2.1 asks for exact string matching, "except for port numbers in localhost redirection URIs of
    /// native apps": `http://127.0.0.1` and `http://[::1]` are accepted with any port (RFC 8252 section 7.3). The name
    /// `localhost` may resolve to something else and is compared like any other, unless ``acceptsAnyLocalhostPort``.
    public func accepts(redirectURI: String) -> Bool {
        redirectURIs.contains { registered in
            if registered.utf8.elementsEqual(redirectURI.utf8) { return true }
            guard let own = LoopbackURI(registered), let asked = LoopbackURI(redirectURI) else {
                return false
            }
            return own.rest == asked.rest
                && (asked.isName ? acceptsAnyLocalhostPort : own.address == asked.address)
        }
    }

    /// Allows what its redirect URIs need of a native app: their schemes without a dot, and any port at `localhost`. For
    /// URIs that an operator chose, or where every scheme was looked at.
    package mutating func allowNativeRedirects() {
        let schemes = redirectURIs.map { $0.prefix { $0 != ":" }.lowercased() }
        appSchemes = Set(schemes).subtracting(["http", "https"]).filter { !$0.contains(".") }.sorted()
        acceptsAnyLocalhostPort = redirectURIs.contains { LoopbackURI($0) != nil }
    }
}

/// A redirect URI on a loopback address, its port left out.
private struct LoopbackURI {
    let address: String
    /// `localhost`, and no address.
    var isName: Bool { address == Self.addresses[2] }
    private static let addresses = ["http://127.0.0.1", "http://[::1]", "http://localhost"]
    /// From the slash or question mark behind the authority on.
    let rest: [UInt8]

    init?(_ uri: String) {
        guard let address = Self.addresses.first(where: { Self.begins(uri, $0) }) else {
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
