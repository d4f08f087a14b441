import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import NIOSSL
import VaultCore

/// How connections to providers are made: TLS 1.2 or later, certificate and host name verified, no redirects, no
/// second attempt, no decompression, no proxy (none is read from the environment), HTTP/1.1.
///
/// The addresses come from provider entries, which operators write. Anyone who lets strangers write entries must keep
/// this process from hosts that strangers may not reach; no address is refused here because it is an inner one.
public struct ConnectionConfiguration: Sendable {
    /// The time until the TCP and TLS connections are made.
    public var connectTimeout: Duration = .seconds(10)
    /// The maximum number of connections to one host; further requests wait.
    public var connectionsPerHost = 32
    /// A PEM file of authorities that are trusted beside those of the system: a private provider's, a test's.
    public var authoritiesFile: String?

    /// Authorities files are smaller: a hundred certificates.
    private static let authoritiesBytes = 256 * 1024

    public init(authoritiesFile: String? = nil) { self.authoritiesFile = authoritiesFile }

    /// The configuration of the library.
    func clientConfiguration() throws -> HTTPClient.Configuration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.certificateVerification = .fullVerification
        tls.minimumTLSVersion = .tlsv12
        if let authoritiesFile {
            tls.additionalTrustRoots = [.certificates(try Self.authorities(authoritiesFile))]
        }
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls, redirectConfiguration: .disallow, decompression: .disabled)
        configuration.timeout.connect = TimeAmount(connectTimeout)
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connectionsPerHost
        configuration.httpVersion = .http1Only
        // Spans of the library carry the whole URL with its query.
        configuration.tracing.tracer = nil
        return configuration
    }

    /// A client whose log goes nowhere: the library writes parts of replies at trace level.
    static func client(_ configuration: HTTPClient.Configuration) -> HTTPClient {
        HTTPClient(
            eventLoopGroupProvider: .singleton, configuration: configuration,
            backgroundActivityLogger: silence)
    }

    static let silence = Logger(label: "tokenvault.provider", factory: { _ in SwiftLogNoOpLogHandler() })

    private static func authorities(_ path: String) throws -> [NIOSSLCertificate] {
        let bytes = try SmallFile.read(
            path, limit: authoritiesBytes, closed: .toWritingByAnybody,
            remedy: "Name a PEM file of certificate authorities.")
        let certificates = try? NIOSSLCertificate.fromPEMBytes(bytes)
        guard let certificates, !certificates.isEmpty else {
            throw VaultError(
                .invalidInput, "\(path) has no readable certificate.",
                remedy: "Name a PEM file of certificate authorities.")
        }
        return certificates
    }
}

/// Where a request goes, read by the same parser as the library's, and refused where tokens may not go.
/// `https` to anywhere, `http` to this machine alone; no user information, no fragment, printable ASCII only.
struct ProviderAddress: Sendable, Hashable {
    /// Scheme, host and port in one spelling: `https://api.example:443`.
    let origin: String
    let isEncrypted: Bool

    /// Nil: not an address that a token may go to.
    init?(_ text: String) {
        // The parser would escape what is not allowed in a URL; what is not a URL is no address.
        guard text.utf8.count <= Self.maximumBytes, text.utf8.allSatisfy({ 0x21...0x7e ~= $0 }),
            let url = URL(string: text), let scheme = url.scheme?.lowercased(),
            let host = url.host?.lowercased(), !host.isEmpty,
            url.user == nil, url.password == nil, url.fragment == nil
        else { return nil }
        switch scheme {
        case "https": isEncrypted = true
        case "http" where Loopback.contains(host): isEncrypted = false
        default: return nil
        }
        let port = url.port ?? (isEncrypted ? 443 : 80)
        guard 1...65535 ~= port else { return nil }
        origin = "\(scheme)://\(host):\(port)"
    }

    /// Longer ones do not survive servers.
    private static let maximumBytes = 16 * 1024
}

/// The pool of connections that ``ProviderClient``s call APIs over; one for a whole program.
public final class ProviderConnections: Sendable {
    let client: HTTPClient

    /// End it with ``shutdown()``.
    ///
    /// - Throws: `VaultError.invalidInput` if the authorities cannot be read.
    public init(configuration: ConnectionConfiguration = ConnectionConfiguration()) throws {
        client = ConnectionConfiguration.client(try configuration.clientConfiguration())
    }

    /// Ends calls in flight and closes everything.
    public func shutdown() async {
        // It fails only where it was shut down before.
        try? await client.shutdown()
    }
}
