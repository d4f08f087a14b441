import Foundation
import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
public import ServiceLifecycle
public import TokenIssuer
public import TokenVault
public import VaultAudit
public import VaultCore

/// Serves the issuer over HTTP/1.1 until graceful shutdown; requests in flight are finished first.
///
/// With a certificate it speaks TLS itself, else that belongs to a proxy in front of it. Runs the vault's upkeep too.
///
/// ```swift
/// let server = IssuerServer(vault: vault, configuration: .init(port: 8080), logger: logger)
/// try await ServiceGroup(services: [server], gracefulShutdownSignals: [.sigterm], logger: logger).run()
/// ```
public struct IssuerServer: Service {
    private let vault: Vault
    private let configuration: IssuerServerConfiguration
    private let logger: Logger
    private let onAdminReady: @Sendable (_ baseURL: String) async -> Void
    private let onReady: @Sendable (_ baseURL: String) async -> Void

    /// - Parameters:
    ///   - onReady: called once requests are answered, with the URL that was bound.
    ///   - onAdminReady: called once metrics are answered, with the URL that was bound; always before `onReady`.
    public init(
        vault: Vault, configuration: IssuerServerConfiguration, logger: Logger,
        onReady: @escaping @Sendable (_ baseURL: String) async -> Void = { _ in },
        onAdminReady: @escaping @Sendable (_ baseURL: String) async -> Void = { _ in }
    ) {
        self.vault = vault
        self.configuration = configuration
        self.logger = logger
        self.onAdminReady = onAdminReady
        self.onReady = onReady
    }

    /// Serves until graceful shutdown or cancellation.
    ///
    /// - Throws: `VaultError.Code.invalidInput` for a configuration that will not do, before anything is bound;
    ///   `unavailable` or `permissionDenied` for an address that cannot be listened on.
    public func run() async throws {
        try configuration.check()
        if let host = configuration.insecureHost {
            logger.warning(
                "Passwords and tokens cross the network unencrypted: the issuer's URL has http.",
                metadata: ["host": "\(host)"])
        }
        let frame = ServerFrame(configuration, logger)
        let router = frame.router
        let known = configuration.port == 0 ? nil : configuration.baseURL(port: configuration.port)
        let url = IssuerURL(configuration.issuer ?? known)
        let issuer = TokenIssuer(
            vault: vault, profile: configuration.profile, url: url, idTokens: configuration.idTokens,
            assertions: configuration.assertions, documents: configuration.documents,
            claims: configuration.claims, registration: configuration.registration)
        router.addRoutes(IssuerRoutes(issuer, configuration: configuration.requests))
        let signIn = SignInPages(
            issuer, context: IssuerContext.self, configuration: configuration.requests,
            hasFront: configuration.front != nil)
        router.addRoutes(AuthorizeRoutes(issuer, users: signIn, configuration: configuration.requests))
        var application = frame.application { [configuration, onReady] channel in
            let bound = configuration.baseURL(port: channel.localAddress?.port ?? configuration.port)
            // Clients learn a port that was chosen for us from `onReady`: nobody can have asked before.
            url.become(bound)
            await onReady(bound)
        }
        // Before the first request, or a retry after an outage would be judged as if we had served all along.
        application.addServices(
            try await VaultService(vault, keeping: configuration.logRetention, closesVault: false))
        if let address = configuration.admin { addAdmin(address, issuer, frame.metrics, to: &application) }
        if let front = configuration.front {
            Self.add(to: &application) { announce in
                FrontListener(
                    front: front, issuer: issuer, lifetime: SignInPages<IssuerContext>.sessionLifetime,
                    logger: logger,
                    onReady: announce)
            }
        }
        do { try await frame.run(application) } catch {
            let address = Address(host: configuration.host, port: configuration.port)
            throw address.bindingFailure(error, option: "address to listen on") ?? error
        }
    }

    /// Serves metrics before the first request, and until the last one is answered.
    private func addAdmin<Responder>(
        _ address: Address, _ issuer: TokenIssuer, _ metrics: RequestMetrics,
        to application: inout Application<Responder>
    ) {
        if !address.isLoopback {
            logger.warning(
                "Metrics can be read from other machines, and show how much is done here.",
                metadata: ["admin": "\(address)"])
        }
        let page = MetricsPage(vault: vault, requests: metrics, certificate: configuration.tls)
        Self.add(to: &application) { announce in
            AdminListener(address: address, page: page, health: HealthRoutes(issuer), logger: logger) {
                [onAdminReady] url in
                await onAdminReady(url)
                announce()
            }
        }
    }

    /// Adds a listener that is there before the first request, and until the last one is answered.
    private static func add<Responder>(
        to application: inout Application<Responder>,
        _ listener: (_ announce: @escaping @Sendable () -> Void) -> some Service
    ) {
        let (bound, announce) = AsyncStream<Void>.makeStream()
        application.addServices(listener { announce.finish() })
        // The stream ends by itself where the listener failed: then nothing is served, and nothing announced.
        application.beforeServerStarts {
            for await _ in bound {}
            try Task.checkCancellation()
        }
    }
}

/// The address and the settings of a served issuer.
public struct IssuerServerConfiguration: Sendable {
    /// The host name or address to listen on.
    public var host: String
    /// The port to listen on; 0 takes a free one.
    public var port: Int
    /// The issuer's URL as clients know it. Nil: the bound URL, which is accepted on loopback only.
    public var issuer: String?
    /// A host of a private network that the issuer's URL may name with `http`. Browsers keep cookies of such a service without
    /// `Secure`, and anyone on the way reads passwords and tokens.
    public var insecureHost: String?
    public var profile: IssuerProfile
    /// Signs id_tokens; nil: OpenID Connect is off.
    public var idTokens: (any IDTokenMinting)?
    /// Verifies `private_key_jwt`; nil: the method is off.
    public var assertions: (any ClientAssertionVerifying)?
    /// What clients publish: key sets, and metadata where `registration` is set too; nil: nothing is fetched.
    public var documents: ClientDocuments?
    /// What userinfo and id_tokens say of a user besides `sub`.
    public var claims = ClaimSource.ofVault
    /// Lets clients register themselves; nil: they cannot.
    public var registration: SelfRegistration?
    public var requests = RequestConfiguration()
    /// Connections beyond it wait to be accepted.
    public var maximumConnections = 2048
    /// Longest silence of a connection between two requests; the head of a request has as long to arrive.
    public var idleTimeout = Duration.seconds(60)
    /// How much of the audit log is kept.
    public var logRetention = LogRetention.standard
    /// The certificate for TLS; nil: plain HTTP, for loopback and behind a proxy.
    public var tls: ServerCertificate?
    /// The further address of `/metrics` and `/health`; nil for none. It has no authentication:
    /// loopback, or a network of operators.
    public var admin: IssuerServer.Address?
    /// The program that signs users in; nil: users of the vault sign in by their passwords.
    public var front: TrustedFront?

    public init(
        host: String = "127.0.0.1", port: Int = 0, issuer: String? = nil,
        profile: IssuerProfile = .standard
    ) {
        self.host = host
        self.port = port
        self.issuer = issuer
        self.profile = profile
    }

    /// Refuses what could not be served.
    ///
    /// - Throws: `VaultError.Code.invalidInput` with the setting to change.
    public func check() throws {
        guard (0...65535).contains(port), (0...65535).contains(admin?.port ?? 0) else {
            throw VaultError(
                .invalidInput, "A port is 0 to 65535.",
                remedy: "Choose another address to listen on, as HOST:PORT.")
        }
        try front?.check()
        guard let issuer else {
            guard Loopback.contains(host) else {
                throw VaultError(
                    .invalidInput,
                    "\(host) can be reached from other machines, so clients must know this issuer by its URL.",
                    remedy: "Give the issuer's URL, as https://id.example, or listen on 127.0.0.1.")
            }
            return
        }
        // RFC 8414 section 2: the issuer is "a URL that uses the "https" scheme and has no query or fragment".
        guard let url = URLComponents(string: issuer), let name = url.host, !name.isEmpty,
            url.query == nil,
            url.fragment == nil, url.user == nil,
            url.scheme == "https"
                || url.scheme == "http"
                    && (Loopback.contains(name) || name.lowercased() == insecureHost?.lowercased())
        else {
            throw VaultError(
                .invalidInput, "The issuer is an https URL without query and fragment.",
                remedy:
                    "Correct the issuer's URL: it is https, or http on loopback. In a private network without certificates, accept http for this host."
            )
        }
        guard insecureHost == nil || url.scheme == "http" else {
            throw VaultError(
                .invalidInput, "The issuer's URL has https, and a host is named for which http would do.",
                remedy: "Correct the issuer's URL.")
        }
        // Browsers resolve such parts away, or take what follows an empty one for a host.
        let parts = url.percentEncodedPath.split(separator: "/", omittingEmptySubsequences: false)
        guard !parts.dropFirst().dropLast().contains(""), !parts.contains("."), !parts.contains("..")
        else {
            throw VaultError(
                .invalidInput, "The path of the issuer has a part that is empty, '.' or '..'.",
                remedy: "Correct the issuer's URL, as https://host.example/path.")
        }
        guard tls == nil || url.scheme == "https" else {
            throw VaultError(
                .invalidInput, "Served with TLS, the issuer has an https URL.",
                remedy: "Correct the issuer's URL.")
        }
    }

    func baseURL(port: Int) -> String {
        IssuerServer.Address(host: host, port: port).url(scheme: tls == nil ? "http" : "https", port: port)
    }

    var server: HTTPServerBuilder {
        .requests(idleTimeout: idleTimeout, readTime: requests.readTime, certificate: tls)
    }
}

extension IssuerServer {
    /// A host and a port to listen on.
    public struct Address: Sendable, CustomStringConvertible {
        /// A name or an address; an IPv6 address without brackets.
        public let host: String
        /// The port; 0 takes a free one.
        public let port: Int

        public init(host: String, port: Int) {
            self.host = host
            self.port = port
        }

        /// `HOST:PORT`, an IPv6 address in brackets.
        public var description: String { "\(Self.bracketed(host)):\(port)" }

        /// Whether only this machine can reach it.
        public var isLoopback: Bool { Loopback.contains(host) }

        /// What to tell the operator when the address could not be listened on.
        ///
        /// - Parameters:
        ///   - error: what binding threw.
        ///   - option: what the address is called in the program's settings.
        /// - Returns: nil for an error of another kind.
        public func bindingFailure(_ error: any Error, option: String) -> VaultError? {
            switch error {
            case let error as IOError:
                VaultError(
                    error.errnoCode == EACCES ? .permissionDenied : .unavailable,
                    "Cannot listen on \(self): \(String(cString: strerror(error.errnoCode))).",
                    remedy: "Choose another \(option).")
            case is SocketAddressError.UnknownHost:
                VaultError(
                    .unavailable, "The host name \(host) has no address.",
                    remedy:
                        "Check the spelling of the \(option) and the name service, or give an IP address.")
            default: nil
            }
        }

        func url(scheme: String, port: Int) -> String { "\(scheme)://\(Self.bracketed(host)):\(port)" }

        private static func bracketed(_ host: String) -> String {
            host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
        }
    }
}
