import TokenVault
package import VaultCore

/// What a provider says of itself (RFC 8414, OpenID Connect Discovery 1.0).
package struct DiscoveryDocument: Sendable, Equatable {
    package var endpoints: Provider.Endpoints
    /// The first we can do of those the provider takes.
    package var client: Provider.ClientAuthentication
    /// Whether S256 is among the methods it names; nil: it names none, as many do that take PKCE.
    package var takesS256: Bool?

    /// Where the document of `issuer` may be, in the order to try: OpenID Connect's place, then RFC 8414's.
    package static func requests(issuer: String) -> [ProviderRequest] {
        urls(issuer: issuer).map { url in
            ProviderRequest(
                .discovery, .get, url, headers: [("Accept", SecretBytes(copying: "application/json"))])
        }
    }

    /// Reads the document of `issuer`.
    ///
    /// - Throws: ``VaultError/Code/invalidInput`` unless it is 200 with a JSON object that says it is of that very
    ///   issuer (RFC 8414 section 3.3, octet for octet) and names endpoints that may be used.
    package init(_ reply: ProviderReply, issuer: String) throws(VaultError) {
        guard reply.status == 200, let tree = ReplyBody(reply.body, bareToken: false).tree,
            case .object = tree
        else {
            let target = (300..<400).contains(reply.status) ? reply.headers["location"] : nil
            let moved = target.flatMap(Diagnostic(masking: []).place).map { ": moved to \($0)" } ?? ""
            throw Self.fault("is not there, or not JSON (HTTP \(reply.status)\(moved))")
        }
        // "The issuer value returned MUST be identical to the authorization server's issuer identifier value".
        guard case .string(let octets)? = tree.value(at: "issuer"), octets.elementsEqual(issuer.utf8) else {
            throw Self.fault("is of another issuer")
        }
        guard let token = try Self.endpoint("token_endpoint", tree) else {
            throw Self.fault("names no token endpoint")
        }
        endpoints = Provider.Endpoints(token: token)
        endpoints.issuer = issuer
        endpoints.authorization = try Self.endpoint("authorization_endpoint", tree)
        endpoints.revocation = try Self.endpoint("revocation_endpoint", tree)
        endpoints.deviceAuthorization = try Self.endpoint("device_authorization_endpoint", tree)
        client = try Self.client(Self.texts("token_endpoint_auth_methods_supported", tree))
        takesS256 = try Self.texts("code_challenge_methods_supported", tree)?.contains("S256")
        if tree.value(at: "authorization_response_iss_parameter_supported") == .bool(true) {
            endpoints.namesIssuerInCallbacks = true
        }
    }

    /// The entry with what the document says; what the entry already names stays.
    package func completing(_ provider: Provider) -> Provider {
        var provider = provider
        let own = provider.endpoints
        provider.endpoints = endpoints
        provider.endpoints.refresh = own.refresh
        provider.endpoints.authorization = own.authorization ?? endpoints.authorization
        provider.endpoints.revocation = own.revocation ?? endpoints.revocation
        provider.endpoints.deviceAuthorization = own.deviceAuthorization ?? endpoints.deviceAuthorization
        if !own.token.isEmpty { provider.endpoints.token = own.token }
        // Basic is what an entry has that says nothing.
        if provider.client == .basic { provider.client = client }
        // RFC 7636 section 4.4.1: a server refuses a method that it does not have.
        if takesS256 == false { provider.requests.usesPKCE = false }
        return provider
    }

    private static func urls(issuer: String) -> [String] {
        let trimmed = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer
        let connect = trimmed + "/.well-known/openid-configuration"
        guard let scheme = trimmed.firstRange(of: "://") else { return [] }
        let slash = trimmed[scheme.upperBound...].firstIndex(of: "/") ?? trimmed.endIndex
        // RFC 8414 section 3.1: between the host and the path.
        let server = trimmed[..<slash] + "/.well-known/oauth-authorization-server" + trimmed[slash...]
        return [connect, String(server)]
    }

    private static func endpoint(_ name: String, _ tree: JSONValue) throws(VaultError) -> String? {
        guard let value = tree.value(at: name) else { return nil }
        guard case .string(let octets) = value else { throw fault("has a \(name) that is not one text") }
        let url = String(decoding: octets, as: UTF8.self)
        if let what = EndpointURL.fault(of: url) { throw fault("has a \(name) that \(what)") }
        return url
    }

    private static func texts(_ name: String, _ tree: JSONValue) throws(VaultError) -> [String]? {
        switch tree.value(at: name) {
        case nil: return nil
        case .array(let values)?: return values.compactMap(\.text)
        default: throw fault("has a \(name) that is not a list")
        }
    }

    /// RFC 8414 section 2: "If omitted, the default is "client_secret_basic"".
    private static func client(_ methods: [String]?) throws(VaultError) -> Provider.ClientAuthentication {
        guard let methods else { return .basic }
        if methods.contains("client_secret_basic") { return .basic }
        if methods.contains("client_secret_post") { return .post }
        if methods.contains("none") { return .none }
        throw fault("asks for a client authentication that we do not have")
    }

    private static func fault(_ what: String) -> VaultError {
        VaultError(
            .invalidInput, "The discovery document \(what).",
            remedy: "Check the issuer's spelling, or write an entry with endpoints.")
    }
}

/// What a device flow begins with (RFC 8628 section 3.2).
package struct DeviceAuthorization: Sendable {
    package var deviceCode: SecretBytes
    /// What the user types; printable.
    package var userCode: String
    /// Where the user types it; https, or http to this machine.
    package var verificationURI: String
    /// Address with the code in it, for a link or a QR code.
    package var verificationURIComplete: String?
    package var expiresAt: VaultInstant
    /// Least time between two questions; 5 s where the provider does not say, at least 1 s.
    package var interval: Duration
}

extension ProviderDialect {
    /// Reads the answer of the device authorization endpoint. Nothing is lost where it cannot be read.
    package func readDeviceAuthorization(
        _ reply: ProviderReply, at now: VaultInstant, sent: [SecretBytes] = []
    ) -> ReplyReading<DeviceAuthorization> {
        let answer = Answer(reply, of: self, to: .deviceAuthorization, at: now, sent: sent)
        return answer.reading(
            answer.body.tree.flatMap { DeviceAuthorization($0, at: now) }, missing: "device and user code")
    }
}

extension DeviceAuthorization {
    /// A device code that names no end.
    private static let defaultLifetime = Duration.seconds(600)
    private static let intervals = Duration.seconds(1)...Duration.seconds(300)

    fileprivate init?(_ tree: JSONValue, at now: VaultInstant) {
        guard case .string(let code)? = tree.value(at: "device_code"), NewTokens.isToken(code),
            let userCode = tree.value(at: "user_code")?.text, Self.isPrintable(userCode, atMost: 128),
            // Google wrote it so before there was an RFC.
            let uri = tree.first(of: ["verification_uri", "verification_url"])?.text,
            EndpointURL.fault(of: uri) == nil
        else { return nil }
        deviceCode = SecretBytes(code)
        self.userCode = userCode
        verificationURI = uri
        let complete = tree.first(of: ["verification_uri_complete", "verification_url_complete"])?.text
        verificationURIComplete = complete.flatMap { EndpointURL.fault(of: $0) == nil ? $0 : nil }
        switch ExpiryReading.read(tree.value(at: "expires_in"), as: .seconds, at: now) {
        case .at(let instant): expiresAt = instant
        case .absent, .never: expiresAt = now.advanced(by: Self.defaultLifetime)
        }
        // Section 3.2: "If no value is provided, clients MUST use 5 as the default."
        let interval =
            tree.value(at: "interval")?.text.flatMap(Int64.init).map(Duration.seconds) ?? .seconds(5)
        self.interval = min(max(interval, Self.intervals.lowerBound), Self.intervals.upperBound)
    }

    private static func isPrintable(_ text: String, atMost limit: Int) -> Bool {
        (1...limit).contains(text.utf8.count) && text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    }
}
