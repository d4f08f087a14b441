import TokenKeeper
import VaultCore

/// One request as it reached a scripted server.
public struct ScriptedRequest: Sendable {
    /// The method, in capitals.
    public var method: String
    /// Begins with a slash, without the query.
    public var path: String
    /// What stood behind the question mark, still encoded.
    public var query: [UInt8]
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]

    public init(
        _ method: String, _ path: String, query: String = "", headers: [(name: String, value: String)] = [],
        body: String = ""
    ) {
        self.init(method, path, query: Array(query.utf8), headers: headers, body: Array(body.utf8))
    }

    public init(
        _ method: String, _ path: String, query: [UInt8], headers: [(name: String, value: String)],
        body: [UInt8]
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
    }

    /// The header of that name if it came exactly once.
    func header(_ name: String) -> String? {
        let found = headers.filter { $0.name.lowercased() == name }
        return found.count == 1 ? found[0].value : nil
    }
}

/// What a scripted server answers, and how the answer travels.
public struct ScriptedAnswer: Sendable {
    /// The way of an answer to the client.
    public enum Delivery: Sendable, Equatable {
        case whole
        /// Not a byte: the connection closes.
        case nothing
        /// This many bytes of the body, then the connection closes.
        case cut(after: Int)
        /// One byte of the body after each pause.
        case slow(Duration)
        /// Whole, under a Content-Length that is not its own.
        case declaring(Int)
    }

    public var status: Int
    /// Without Content-Length and Connection, which are the transport's.
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]
    public var delivery: Delivery = .whole

    public init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// For a test's assertions.
    public var text: String { String(decoding: body, as: UTF8.self) }

    /// The value of the first header of that name, which is written in lower case.
    public func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name }?.value
    }
}

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

    /// The path, from the root of the server.
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
