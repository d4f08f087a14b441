import Foundation
import TestSupport
import Testing

/// TLS at the service itself, and a certificate that changes while it serves.
@Suite("TLS at the service", .bounded)
struct TLSTests {
    private func served() async throws -> (Certificates, RunningService) {
        let place = try await Workplace.withVault()
        let certificates = try await Certificates.made(in: place)
        try await certificates.install("first")
        return (certificates, try await RunningService(in: place, Certificates.options))
    }

    @Test func `a client that trusts the authority gets an answer, another does not`() async throws {
        let (certificates, service) = try await served()
        #expect(service.url.hasPrefix("https://127.0.0.1:"))
        let place = certificates.place
        let url = service.url + "/health/ready"
        let answer = try await place.shell("curl --silent --fail --cacert ca.pem \(url)")
        #expect(answer.output == #"{"status":"ok"}"#)
        #expect(try await place.shell("curl --silent \(url)").status == 60)
        // RFC 9110 section 4.2.2: the resources of the two schemes are distinct; plain HTTP gets nothing here.
        let plain = url.replacing("https://", with: "http://")
        #expect(try await place.shell("curl --silent --fail \(plain)").status != 0)
        #expect(await service.end(by: SIGTERM) == 0)
        #expect(try place.text("serve.log").contains("error") == false)
    }

    @Test func `the whole job works over it`() async throws {
        let (certificates, service) = try await served()
        let secret = try await Session.register(in: certificates.place)
        let session = Session(
            place: certificates.place, url: service.url, secret: secret, authority: "ca.pem")
        let tokens = try await session.exchange()
        let refreshed = try await session.refresh(tokens)
        #expect(refreshed["access_token"] is String)
        #expect(await service.end(by: SIGTERM) == 0)
    }

    @Test func `a refusal with an open end reaches the client, too`() async throws {
        let (certificates, service) = try await served()
        // Too long a body: the server answers and closes while the client still sends.
        let answer = try await certificates.place.shell(
            "head -c 4000000 /dev/zero | curl --silent --cacert ca.pem --output body --write-out '%{http_code}' "
                + "--data-binary @- \(service.url)/oauth2/token")
        #expect(answer.output == "413", "\(answer.complaints)")
        #expect(await service.end(by: SIGTERM) == 0)
    }

    @Test func `nothing older than TLS 1.2 is spoken`() async throws {
        let (certificates, service) = try await served()
        let script = """
            import socket, ssl, sys
            def hello(version, ciphers="ALL:@SECLEVEL=0"):
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.load_verify_locations("ca.pem")
                context.set_ciphers(ciphers)
                context.minimum_version = ssl.TLSVersion.TLSv1
                context.maximum_version = version
                try:
                    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as plain:
                        with context.wrap_socket(plain, server_hostname="localhost") as wire:
                            return wire.version()
                except ssl.SSLError as error:
                    return error.reason
            print(hello(ssl.TLSVersion.TLSv1_1), hello(ssl.TLSVersion.TLSv1_2), hello(ssl.TLSVersion.TLSv1_3))
            print(hello(ssl.TLSVersion.TLSv1_2, "AES128-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"))
            """
        try certificates.place.write(script, to: "hello.py")
        let port = try #require(service.url.split(separator: ":").last)
        let said = try await certificates.place.shell("python3 hello.py \(port) 2>/dev/null")
        #expect(
            said.outputLines == [
                "TLSV1_ALERT_PROTOCOL_VERSION TLSv1.2 TLSv1.3", "SSLV3_ALERT_HANDSHAKE_FAILURE",
            ], "\(said.output)\(said.complaints)")
        #expect(await service.end(by: SIGTERM) == 0)
    }

    @Test func `a client that stays silent does not hold up the end of the service`() async throws {
        let (certificates, service) = try await served()
        let script = """
            import os, select, signal, socket, ssl, sys, time
            port, process = int(sys.argv[1]), int(sys.argv[2])
            context = ssl.create_default_context(cafile="ca.pem")
            wire = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
            wire.sendall(b"GET /health/live HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += wire.recv(4096)
            start = time.monotonic()
            end = os.pidfd_open(process)
            os.kill(process, signal.SIGTERM)
            select.select([end], [], [], 30)
            print(time.monotonic() - start < 4)
            """
        try certificates.place.write(script, to: "silent.py")
        let port = try #require(service.url.split(separator: ":").last)
        let said = try await certificates.place.shell("python3 silent.py \(port) \(service.processID)")
        #expect(said.output == "True\n", "\(said.output)\(said.complaints)")
        #expect(await service.end(by: SIGTERM) == 0)
    }

    @Test func `SIGHUP shows the new certificate to new connections, and open ones go on`() async throws {
        let (certificates, service) = try await served()
        let place = certificates.place
        try await certificates.issue("second")
        let script = """
            import os, shutil, signal, socket, ssl, sys
            port, process = int(sys.argv[1]), int(sys.argv[2])
            context = ssl.create_default_context(cafile="ca.pem")
            def connect():
                return context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
            def subject(wire):
                return dict(pair[0] for pair in wire.getpeercert()["subject"])["commonName"]
            def ask(wire):
                wire.sendall(b"GET /health/live HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
                answer = b""
                while not answer.endswith(b"}"):
                    answer += wire.recv(4096)
                return answer.split(b"\\r\\n")[0].decode()
            old = connect()
            print(subject(old), ask(old))
            shutil.copy("second.key", "live.key")
            shutil.copy("second.pem", "live.pem")
            os.kill(process, signal.SIGHUP)
            for attempt in range(100000):
                new = connect()
                if subject(new) == "second":
                    break
                new.close()
            print(subject(new), ask(new))
            print(subject(old), ask(old))
            """
        try place.write(script, to: "reload.py")
        let port = try #require(service.url.split(separator: ":").last)
        let said = try await place.shell("python3 reload.py \(port) \(service.processID)")
        #expect(
            said.outputLines == [
                "first HTTP/1.1 200 OK", "second HTTP/1.1 200 OK", "first HTTP/1.1 200 OK",
            ], "\(said.output)\(said.complaints)")
        #expect(await service.end(by: SIGTERM) == 0)
        #expect(try service.log().contains("The certificate was read again."))
    }

    @Test(arguments: ["no certificate", "another key", "an ended one", "a key that all may read", "nothing"])
    func `a bad new certificate is refused, and the old one goes on`(_ what: String) async throws {
        let (certificates, service) = try await served()
        let place = certificates.place
        try await certificates.issue("second")
        switch what {
        case "no certificate": try place.write("-----BEGIN CERTIFICATE-----\nAAAA\n", to: "live.pem")
        case "another key": _ = try await place.shell("cp second.key live.key")
        case "an ended one":
            try await certificates.issue("ended", days: 0)
            try await certificates.install("ended")
        case "a key that all may read": _ = try await place.shell("chmod 644 live.key")
        default: _ = try await place.shell("rm live.pem")
        }
        service.signal(SIGHUP)
        let waited = try await place.shell(
            "until grep -q 'certificate was' serve.log; do kill -0 \(service.processID) || exit 99; done; "
                + "grep 'certificate was' serve.log")
        #expect(waited.output.contains("The new certificate was refused; the old one stays in use."))
        let answer = try await place.shell(
            "curl --silent --fail --cacert ca.pem \(service.url)/health/live && openssl s_client -connect "
                + "\(service.url.dropFirst("https://".count)) -CAfile ca.pem </dev/null 2>/dev/null | grep subject="
        )
        #expect(answer.output.contains("first"), "\(answer.output)")
        #expect(await service.end(by: SIGTERM) == 0)
    }

    @Test(arguments: [
        (["--tls-certificate", "live.pem"], "go together", Int32(2)),
        (["--tls-certificate", "none.pem", "--tls-key", "live.key"], "none.pem cannot be opened", 3),
        (["--tls-certificate", "live.key", "--tls-key", "live.key"], "has no certificate", 2),
        (["--tls-certificate", "live.pem", "--tls-key", "live.pem"], "no private key", 2),
        (["--tls-certificate", "live.pem", "--tls-key", "ca.key"], "does not match the certificate", 2),
        (["--tls-certificate", "live.pem", "--tls-key", "open.key"], "Others than its owner", 4),
        (Certificates.options + ["--issuer", "http://127.0.0.1"], "https URL", 2),
    ])
    func `what cannot be served is refused before anything is`(
        _ arguments: [String], _ sentence: String, _ status: Int32
    ) async throws {
        let place = try await Workplace.withVault()
        try await Certificates.made(in: place).install("first")
        _ = try await place.shell("cp live.key open.key && chmod 644 open.key")
        let refused = try await place.run(["serve", "--listen", "127.0.0.1:0"] + arguments)
        #expect(refused.status == status, "\(refused.complaints)")
        #expect(refused.complaints.contains(sentence), "\(refused.complaints)")
    }

    @Test func `without a certificate SIGHUP ends nothing`() async throws {
        let place = try await Workplace.withVault()
        let service = try await RunningService(in: place)
        service.signal(SIGHUP)
        let waited = try await place.shell(
            "until grep -q 'no certificate to read' serve.log; do kill -0 \(service.processID) || exit 99; done"
        )
        #expect(waited.status == 0)
        #expect(await service.end(by: SIGTERM) == 0)
    }
}
