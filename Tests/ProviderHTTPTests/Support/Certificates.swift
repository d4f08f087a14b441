import Foundation
import NIOSSL
import Testing

/// Certificates that `openssl` makes for one test, in a folder that goes with it.
struct Certificates {
    private let folder: URL

    static func with<Result>(_ body: (Certificates) async throws -> Result) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("provider-http-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try await body(Certificates(folder: folder))
    }

    /// A self-signed certificate, its key, and what a server needs of them.
    func selfSigned(_ name: String, for names: String, maximum: TLSVersion? = nil) throws -> (
        file: String, server: NIOSSLContext
    ) {
        let certificate = folder.appendingPathComponent(name + ".pem").path
        let key = folder.appendingPathComponent(name + ".key").path
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", "/CN=" + name, "-addext", "subjectAltName=" + names, "-keyout", key,
            "-out", certificate,
        ]
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "openssl is needed")
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem)))
        tls.minimumTLSVersion = .tlsv1
        tls.maximumTLSVersion = maximum
        return (certificate, try NIOSSLContext(configuration: tls))
    }
}
