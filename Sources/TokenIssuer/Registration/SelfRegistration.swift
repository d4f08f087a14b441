import TokenVault
public import VaultCore

/// Lets clients register themselves (RFC 7591), and says what they may have.
///
/// Nothing is stored for a registration: the `client_id` holds, sealed, what the client chose. Unused it ends after 24 hours.
/// A user who allows the client makes it one of the vault, with a row and an entry in the log.
public struct SelfRegistration: Sendable {
    /// Names that such a client may ask its user for. Nil: those of public clients that an operator registered with an
    /// address that any program can claim, as at loopback: these prove no more of themselves.
    public var scope: ScopeSet?
    /// Schemes without a dot that their redirect URIs may have, as editors use them.
    public var appSchemes: Set<String> = ["cursor", "vscode", "vscode-insiders", "windsurf"]
    /// How long their grants last, however often they are refreshed.
    public var absoluteLifetime = Duration.seconds(30 * 86400)
    /// Whether they may ask for a `client_id` of ours; false: only clients that publish their metadata are taken
    /// (``ClientDocuments``).
    public var takesRequests = true
    /// What a registration must present as a bearer token (RFC 7591 section 3), of 16 bytes or more: with a shorter one every
    /// registration is refused. Nil: anyone may register. Clients that publish their metadata present none.
    public var initialAccessToken: SecretBytes?
    package static let shortestToken = 16

    /// - Parameter scope: see ``scope``.
    public init(scope: ScopeSet? = nil) { self.scope = scope }
}

extension TokenIssuer {
    /// What clients that registered themselves may ask for, as of now.
    func scopeOfSelfRegistered() async throws -> ScopeSet {
        guard let registration else { return .empty }
        if let scope = registration.scope { return scope }
        let revision = try await vault.snapshot { try $1.checkedRevision($0) }
        if let known = openScope.value(revision) { return known }
        var scope = ScopeSet.empty
        for client in try await vault.clients.listOfOperators() where client.registration.isClaimable {
            scope = scope.union(client.registration.scope)
        }
        openScope.keep(scope, revision)
        return scope
    }
}

extension ClientRegistration {
    /// Whether any program on a device can pose as this client.
    fileprivate var isClaimable: Bool {
        isPublic && grantTypes.contains(.authorizationCode)
            && redirectURIs.contains { !$0.lowercased().hasPrefix("https:") }
    }
}

/// What a client chose when it registered itself; its `client_id` is this, sealed.
///
/// ```
/// bytes     = registered at i64 ‖ flags u8 (1: refresh tokens) ‖ name ‖ redirect URIs     each after its length in two bytes
/// client_id = "tv_ci_" ‖ the bytes as sealed state of the purpose "client"               at most 2048 characters
/// ```
package struct ClientChoice: Sendable, Equatable {
    /// How long it counts while no user has allowed it.
    package static let lifetime = Duration.seconds(86400)
    static let longestName = 128
    static let longestURIs = 1024
    static let mostURIs = 8
    private static let prefix = "tv_ci_"
    private static let purpose = "client"

    var registeredAt: VaultInstant
    let name: String
    let redirectURIs: [String]
    let wantsRefreshTokens: Bool

    /// The `client_id`.
    func sealed(by vault: Vault) throws -> String {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: registeredAt.millisecondsSince1970)
        bytes.append(wantsRefreshTokens ? 1 : 0)
        for text in [name] + redirectURIs {
            bytes.append(bigEndian: UInt16(truncatingIfNeeded: text.utf8.count))
            bytes += text.utf8
        }
        return Self.prefix
            + (try vault.sealed(bytes, purpose: Self.purpose, lifetime: Limits.sessionLifetime).text)
    }

    /// Nil for anything that this vault did not seal as the identifier of a client.
    init?(opening clientID: String, by vault: Vault) {
        guard clientID.hasPrefix(Self.prefix), clientID.utf8.count <= Limits.clientIDBytes,
            let bytes = vault.unseal(
                SecretBytes(copying: clientID.dropFirst(Self.prefix.count)), purpose: Self.purpose)
        else { return nil }
        var reader = ByteReader(bytes)
        guard let time: Int64 = reader.number(), let flags: UInt8 = reader.number(), flags <= 1 else {
            return nil
        }
        var texts: [String] = []
        while !reader.isAtEnd {
            guard let text = reader.counted(UInt16.self, limit: .max),
                let text = String(validating: text, as: UTF8.self)
            else { return nil }
            texts.append(text)
        }
        guard texts.count > 1 else { return nil }
        self.init(
            registeredAt: VaultInstant(millisecondsSince1970: time), name: texts[0],
            redirectURIs: Array(texts.dropFirst()), wantsRefreshTokens: flags == 1)
    }

    private init(registeredAt: VaultInstant, name: String, redirectURIs: [String], wantsRefreshTokens: Bool) {
        (self.registeredAt, self.name, self.redirectURIs, self.wantsRefreshTokens) = (
            registeredAt, name, redirectURIs, wantsRefreshTokens
        )
    }

    /// What is registered of it when a user allows it: the rest is the issuer's to say.
    func registration(_ policy: SelfRegistration, scope: ScopeSet) -> ClientRegistration {
        var registration = ClientRegistration(name: name)
        registration.authenticationMethods = [.none]
        registration.grantTypes = [.authorizationCode] + (wantsRefreshTokens ? [.refreshToken] : [])
        registration.redirectURIs = redirectURIs
        registration.allowNativeRedirects()
        registration.scope = scope
        registration.rotation = .ofSelfRegistered
        registration.lifetimes.absolute = policy.absoluteLifetime
        registration.lifetimes.idle = min(registration.lifetimes.idle, policy.absoluteLifetime)
        return registration
    }
}

extension ClientChoice {
    /// Reads a registration request (RFC 7591 sections 2 and 3.1).
    ///
    /// What a public client with PKCE cannot have is replaced, as section 3.2.1 allows, and the answer tells; members that
    /// are not known are ignored.
    ///
    /// - Throws: `invalid_redirect_uri` or `invalid_client_metadata` with the member that will not do, and not its value.
    init(
        json bytes: [UInt8], _ policy: SelfRegistration, at now: VaultInstant,
        mostURIs: Int = Self.mostURIs, longestURIs: Int = Self.longestURIs
    ) throws(OAuthError) {
        guard let object = JSONReader.read(bytes, isStrict: true), object.isObject else {
            throw .invalidMetadata(
                "The body is not a JSON object that is well formed and has each member once.")
        }
        let uris = try Self.texts("redirect_uris", of: object) ?? []
        guard (1...mostURIs).contains(uris.count),
            uris.reduce(0, { $0 + $1.utf8.count }) <= longestURIs
        else {
            throw .invalidRedirectURI(
                "redirect_uris has 1 to \(mostURIs) addresses, of \(longestURIs) bytes together.")
        }
        for uri in uris {
            do { try RedirectURIRules.check(uri, appSchemes: Array(policy.appSchemes)) } catch {
                throw .invalidRedirectURI(
                    "redirect_uris: \((error as? VaultError)?.message ?? "not usable.")")
            }
            guard Self.hasPlainHost(uri) else {
                throw .invalidRedirectURI(
                    "redirect_uris: an https address has a host name in lower case, with a dot, and no address."
                )
            }
        }
        if let types = try Self.texts("response_types", of: object), !types.contains("code") {
            throw .invalidMetadata("response_types has no code.")
        }
        let grants = try Self.texts("grant_types", of: object) ?? [GrantType.authorizationCode.rawValue]
        guard grants.contains(GrantType.authorizationCode.rawValue) else {
            throw .invalidMetadata("grant_types has no authorization_code.")
        }
        for member in ["token_endpoint_auth_method", "scope", "client_name"] {
            guard object[member].map({ $0.string != nil }) ?? true else {
                throw .invalidMetadata("\(member) must be a string.")
            }
        }
        let name = object["client_name"]?.string ?? Self.name(of: uris[0])
        do { try NameRules.check(name, what: "client_name") } catch {
            throw .invalidMetadata(
                "client_name has 1 to \(Self.longestName) bytes, no control characters, and no space around it."
            )
        }
        guard name.utf8.count <= Self.longestName else {
            throw .invalidMetadata("client_name has more than \(Self.longestName) bytes.")
        }
        self.init(
            registeredAt: now, name: name, redirectURIs: uris,
            wantsRefreshTokens: grants.contains(GrantType.refreshToken.rawValue))
    }

    /// Whether users and browsers read the same host in an https address: pages show it, and it is all that they can go by.
    private static func hasPlainHost(_ uri: String) -> Bool {
        guard uri.prefix(6).lowercased() == "https:" else { return true }
        let parts = uri.dropFirst("https://".count).prefix { $0 != "/" && $0 != "?" }
            .split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let isPort = parts.dropFirst().allSatisfy { UInt16($0) != nil && $0.first != "+" }
        return uri.hasPrefix("https://") && isPort
            && parts.first.map { DocumentURL.isHost($0.utf8) } == true
    }

    /// A list of strings, each once.
    private static func texts(_ member: String, of object: JSONValue) throws(OAuthError) -> [String]? {
        guard let value = object[member] else { return nil }
        var texts: [String] = []
        // Looked at before repeats are: a stranger's list must not cost the square of its length.
        let values = value.array ?? [.null]
        guard values.count <= Limits.redirectURIs else {
            throw .invalidMetadata("\(member) must be a list of at most \(Limits.redirectURIs) strings.")
        }
        for value in values {
            guard let text = value.string else {
                throw .invalidMetadata("\(member) must be a list of strings.")
            }
            if !texts.contains(text) { texts.append(text) }
        }
        return texts
    }

    /// What a client that gives no name is called: by the host of its address, or by its scheme.
    private static func name(of uri: String) -> String {
        let scheme = uri.prefix { $0 != ":" }
        guard scheme == "https" || scheme == "http" else { return String(scheme.prefix(longestName)) }
        return String(uri.dropFirst(scheme.count + 3).prefix { $0 != "/" && $0 != "?" }.prefix(longestName))
    }
}

extension OAuthError {
    fileprivate static func invalidMetadata(_ description: String) -> OAuthError {
        OAuthError(.invalidClientMetadata, description)
    }

    fileprivate static func invalidRedirectURI(_ description: String) -> OAuthError {
        OAuthError(.invalidRedirectURI, description)
    }
}
