import Foundation
import NIOCore
import NIOSSL
import Synchronization
public import VaultCore

/// The certificate and key that a server shows, which can be read again while it serves.
///
/// ```swift
/// let certificate = try ServerCertificate(certificateFile: "chain.pem", keyFile: "key.pem")
/// configuration.tls = certificate
/// // Later, when the files have changed:
/// try certificate.reload()
/// ```
///
/// Connections that are open keep what they were opened with; new ones get the new certificate.
public final class ServerCertificate: Sendable {
    private struct Loaded: Sendable {
        let context: NIOSSLContext
        let notBefore: VaultInstant
        let expiresAt: VaultInstant
    }

    private struct Shown: Sendable {
        var loaded: Loaded
        var reloads = (succeeded: 0, failed: 0)
    }

    private let certificateFile: String
    private let keyFile: String
    private let shown: Mutex<Shown>

    /// Reads the files.
    ///
    /// - Parameters:
    ///   - certificateFile: PEM: the server's certificate first, then those that vouch for it.
    ///   - keyFile: PEM: the private key of the first, in a file that others than its owner and group cannot read.
    /// - Throws: `VaultError.Code.notFound`, `permissionDenied`, or `invalidInput` for what is no certificate, no key,
    ///   or not a pair.
    public init(certificateFile: String, keyFile: String) throws {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        shown = Mutex(Shown(loaded: try Self.load(certificateFile, keyFile)))
    }

    /// Reads the files again. What was shown before is still shown when this throws.
    ///
    /// - Throws: as ``init(certificateFile:keyFile:)``, and `VaultError.Code.invalidInput` for a certificate that is
    ///   not valid now.
    public func reload() throws {
        do {
            let new = try Self.load(certificateFile, keyFile)
            let now = SystemClock().now()
            guard new.notBefore <= now, now < new.expiresAt else {
                throw VaultError(
                    .invalidInput, "The certificate in \(certificateFile) is not valid now.",
                    remedy: "Renew it, and send SIGHUP again.")
            }
            shown.withLock {
                $0.loaded = new
                $0.reloads.succeeded += 1
            }
        } catch {
            shown.withLock { $0.reloads.failed += 1 }
            throw error
        }
    }

    /// When the certificate shown now ends.
    public var expiresAt: VaultInstant { shown.withLock { $0.loaded.expiresAt } }

    /// How often new files were taken, and how often refused.
    var reloadCounts: (succeeded: Int, failed: Int) { shown.withLock { $0.reloads } }

    /// For one new connection.
    var context: NIOSSLContext { shown.withLock { $0.loaded.context } }

    /// A chain of a dozen certificates is under 32 KiB.
    private static let limit = 256 * 1024

    private static func load(_ certificateFile: String, _ keyFile: String) throws -> Loaded {
        let certificates = try read(
            certificateFile, closed: .toNobody, "certificate in PEM form", option: "certificate file"
        ) { try NIOSSLCertificate.fromPEMBytes($0) }
        let key = try read(
            keyFile, closed: .toOthersThanGroup, "private key in PEM form without a passphrase",
            option: "file of its key"
        ) { try NIOSSLPrivateKey(bytes: $0, format: .pem) }
        guard let first = certificates.first else {
            throw VaultError(
                .invalidInput, "\(certificateFile) has no certificate.", remedy: "Check the certificate file."
            )
        }
        do {
            return Loaded(
                context: try NIOSSLContext(configuration: configuration(certificates, key)),
                notBefore: VaultInstant(millisecondsSince1970: Int64(first.notValidBefore) * 1000),
                expiresAt: VaultInstant(millisecondsSince1970: Int64(first.notValidAfter) * 1000))
        } catch {
            throw VaultError(
                .invalidInput, "The key in \(keyFile) does not match the certificate in \(certificateFile).",
                remedy: "Check the certificate file and the file of its key.")
        }
    }

    private static func read<Content>(
        _ path: String, closed: SmallFile.Closed, _ what: String, option: String,
        _ parse: ([UInt8]) throws -> Content
    ) throws -> Content {
        let bytes = try SmallFile.read(path, limit: limit, closed: closed, remedy: "Check the \(option).")
        guard let content = try? parse(bytes) else {
            throw VaultError(.invalidInput, "\(path) has no \(what).", remedy: "Check the \(option).")
        }
        return content
    }

    /// RFC 9325: TLS 1.2 with forward secrecy and authenticated encryption, or TLS 1.3.
    private static func configuration(_ certificates: [NIOSSLCertificate], _ key: NIOSSLPrivateKey)
        -> TLSConfiguration
    {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: certificates.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.cipherSuiteValues = [
            .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ]
        configuration.applicationProtocols = ["http/1.1"]
        // RFC 8446 section 6.1: this side need not wait until the other closes, too. A client that is silent, as idle
        // connections are, must not hold up the end of the service.
        configuration.shutdownTimeout = .seconds(1)
        return configuration
    }
}
