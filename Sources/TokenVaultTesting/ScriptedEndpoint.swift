import TokenKeeper

/// The places of a scripted server, each under a path of its own.
public enum ScriptedEndpoint: String, Sendable, CaseIterable {
    case authorize
    /// Where codes are exchanged, and refresh tokens unless the entry has another place for them.
    case token
    case refresh
    case revoke
    case device
    /// An API that wants an access token.
    case resource
    /// RFC 8414 and OpenID Connect Discovery.
    case discovery

    /// Where it is, from the root of the server.
    public var path: String {
        self == .discovery ? "/.well-known/oauth-authorization-server" : "/" + rawValue
    }

    init?(path: String) {
        if path == "/.well-known/openid-configuration" || path == Self.discovery.path {
            self = .discovery
        } else if path.hasPrefix("/resource/") {
            self = .resource
        } else {
            self.init(rawValue: String(path.dropFirst()))
            if self == .discovery { return nil }
        }
    }

    /// What an entry calls it; nil where the entry has no such place.
    func address(in endpoints: Provider.Endpoints) -> String? {
        switch self {
        case .authorize: endpoints.authorization
        case .token: endpoints.token
        case .refresh: endpoints.refresh
        case .revoke: endpoints.revocation
        case .device: endpoints.deviceAuthorization
        case .resource, .discovery: nil
        }
    }

    /// Refreshes at an address of their own are token requests too.
    var counted: Self { self == .refresh ? .token : self }
}
