import Foundation
import NIOSSL
import ProviderHTTP
import TestSupport
import Testing
import TokenKeeper
import VaultCore

@Suite(.bounded) struct `Only servers that prove their name are spoken to` {
    private func outcome(
        _ server: NIOSSLContext?, host: String, authorities: String? = nil, onAccept: [RawServer.Step] = []
    ) async throws -> Result<Int, TransportFailure> {
        try await RawServer.with(tls: server, onAccept: onAccept, script: { _ in [.write(Wire.ok("{}"))] }) {
            server in
            var configuration = ConnectionConfiguration()
            configuration.authoritiesFile = authorities
            return try await AsyncHTTPTransport.withTransport(configuration: configuration) { transport in
                var request = ProviderRequest.refresh(server.port)
                request.url = "https://\(host):\(server.port)/token"
                let outcome = await transport.outcome(request)
                #expect(server.requests.count == (outcome == .success(200) ? 1 : 0))
                return outcome
            }
        }
    }

    @Test func `a self-signed certificate is refused, and accepted where its file is named`() async throws {
        try await Certificates.with { certificates in
            let (file, server) = try certificates.selfSigned("one", for: "DNS:localhost,IP:127.0.0.1")
            for host in ["localhost", "127.0.0.1"] {
                #expect(try await outcome(server, host: host) == .failure(.notSent(.tls)))
                #expect(try await outcome(server, host: host, authorities: file) == .success(200))
            }
        }
    }

    @Test func `a trusted certificate for another name is refused`() async throws {
        try await Certificates.with { certificates in
            let (file, server) = try certificates.selfSigned("other", for: "DNS:example.com,IP:127.0.0.2")
            for host in ["localhost", "127.0.0.1"] {
                let outcome = try await outcome(server, host: host, authorities: file)
                #expect(outcome == .failure(.notSent(.tls)))
            }
        }
    }

    @Test func `TLS 1.1 is not spoken`() async throws {
        try await Certificates.with { certificates in
            let (file, server) = try certificates.selfSigned("old", for: "DNS:localhost", maximum: .tlsv11)
            let refused = try await outcome(server, host: "localhost", authorities: file)
            #expect(refused == .failure(.notSent(.tls)))
        }
    }

    @Test func `a server that speaks no TLS or hangs up in the handshake was sent nothing`() async throws {
        let plain = try await outcome(nil, host: "localhost", onAccept: [.write("HTTP/1.1 400 Bad\r\n\r\n")])
        #expect(plain == .failure(.notSent(.tls)))
        let closed = try await outcome(nil, host: "localhost", onAccept: [.close])
        guard case .failure(.notSent) = closed else {
            Issue.record("\(closed)")
            return
        }
    }

    @Test func `an authorities file that holds none is an error of the start`() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).pem")
        try "no certificate".write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        for path in [file.path, file.path + ".missing"] {
            #expect(throws: VaultError.self) {
                _ = try AsyncHTTPTransport(configuration: ConnectionConfiguration(authoritiesFile: path))
            }
        }
    }
}
