import Foundation
import TestSupport
import Testing

/// What an operator's monitoring reads, on an address of its own.
@Suite("Metrics", .bounded)
struct MetricsTests {
    private static let admin = ["--admin-listen", "127.0.0.1:0"]

    private func scrape(_ service: RunningService, _ place: Workplace) async throws -> (MetricsText, String) {
        let admin = try #require(service.admin)
        let answer = try await place.shell("curl --silent --fail --dump-header head \(admin)/metrics")
        #expect(answer.status == 0)
        let head = try place.text("head").lowercased()
        #expect(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"))
        return (try MetricsText(parsing: answer.output), answer.output)
    }

    @Test func `counts move as requests are made, and no secret is among them`() async throws {
        let place = try await Workplace.withVault()
        let service = try await RunningService(in: place, Self.admin)
        let secret = try await Session.register(in: place)
        let session = Session(place: place, url: service.url, secret: secret)
        let (before, _) = try await scrape(service, place)
        let tokens = try await session.exchange()
        let refreshed = try await session.refresh(tokens)
        let replayed = try await session.refresh(tokens)
        #expect(replayed["refresh_token"] as? String == refreshed["refresh_token"] as? String)
        // Using the successor closes the retry window of the first; then the first again is reuse.
        _ = try await session.refresh(refreshed)
        #expect(try await session.refresh(tokens)["error"] as? String == "invalid_grant")
        let wrong = Session(place: place, url: service.url, secret: "tv_cs_wrong")
        #expect(try await wrong.refresh(tokens)["error"] as? String == "invalid_client")
        _ = try await place.shell(
            "curl --silent '\(service.url)/callback?code=tv_ac_secret' --request PROPFIND; "
                + "curl --silent '\(service.url)/oauth2/token?code=tv_ac_secret'")
        let (after, text) = try await scrape(service, place)

        func moved(_ name: String, _ labels: [String: String] = [:]) -> Double {
            after.value(name, labels) - before.value(name, labels)
        }
        func requests(_ method: String, _ route: String, _ outcome: String) -> Double {
            moved(
                "tokenvault_http_requests_total", ["method": method, "route": route, "outcome": outcome])
        }
        #expect(requests("POST", "/oauth2/token", "2xx") == 4)
        #expect(requests("POST", "/oauth2/token", "invalid_grant") == 1)
        #expect(requests("POST", "/oauth2/token", "invalid_client") == 1)
        #expect(requests("GET", "/oauth2/token", "invalid_request") == 1)
        #expect(requests("other", "NotFound", "invalid_request") == 1)
        let token = ["method": "POST", "route": "/oauth2/token"]
        #expect(moved("tokenvault_http_request_seconds_count", token) == 6)
        #expect(moved("tokenvault_exchanges_total", ["result": "issued"]) == 3)
        #expect(moved("tokenvault_exchanges_total", ["result": "refresh_token_reused"]) == 1)
        #expect(moved("tokenvault_replays_total") == 1)
        #expect(moved("tokenvault_reuse_detected_total") == 1)
        #expect(moved("tokenvault_swap_seconds_count") == 5)
        #expect(moved("tokenvault_commit_batch_size_sum") >= 5)
        #expect(moved("tokenvault_commit_seconds_count") >= 5)
        #expect(moved("tokenvault_log_size") >= 6)
        #expect(after.value("tokenvault_ready") == 1)
        #expect(after.value("tokenvault_queue_depth") == 0)
        #expect(after.value("tokenvault_database_bytes") > 0)
        #expect(after.value("tokenvault_disk_free_bytes") > 0)
        #expect(after.value("process_open_fds") > 3)
        #expect(after.types["tokenvault_tls_reloads_total"] == nil)

        let strangers = [secret, "alice-of-the-test", "tv_", "PROPFIND", "callback", "app.example"]
        for stranger in strangers { #expect(!text.contains(stranger), "\(stranger)") }
        #expect(await service.end(by: SIGTERM) == 0)
    }

    @Test func `the log's size is what verification counts`() async throws {
        let place = try await Workplace.withVault()
        let service = try await RunningService(in: place, Self.admin)
        let secret = try await Session.register(in: place)
        _ = try await Session(place: place, url: service.url, secret: secret).exchange()
        let (metrics, _) = try await scrape(service, place)
        let size = metrics.value("tokenvault_log_size")
        #expect(await service.end(by: SIGTERM) == 0)
        // Opening the vault to verify is an entry.
        let verified = try await place.run(["audit", "verify", "--json"]).object()["size"] as? Int
        #expect(verified.map(Double.init) == size + 1)
    }

    @Test func `a certificate's end and its reloads are there with TLS`() async throws {
        let place = try await Workplace.withVault()
        let certificates = try await Certificates.made(in: place)
        try await certificates.install("first")
        let service = try await RunningService(in: place, Self.admin + Certificates.options)
        let ends = try await scrape(service, place).0.value("tokenvault_tls_certificate_expires_seconds")
        let said = try await place.shell(
            "date -d \"$(openssl x509 -enddate -noout -in first.pem | cut -d= -f2)\" +%s")
        #expect(said.output == "\(Int(ends))\n")
        try place.write("", to: "live.pem")
        service.signal(SIGHUP)
        _ = try await place.shell(
            "until grep -q 'certificate was' serve.log; do kill -0 \(service.processID) || exit 99; done")
        let (metrics, _) = try await scrape(service, place)
        #expect(metrics.value("tokenvault_tls_reloads_total", ["result": "refused"]) == 1)
        #expect(metrics.value("tokenvault_tls_reloads_total", ["result": "taken"]) == 0)
        #expect(await service.end(by: SIGTERM) == 0)
    }

    @Test func `only metrics and health are on the admin address, and neither metrics on the other`()
        async throws
    {
        let place = try await Workplace.withVault()
        let service = try await RunningService(in: place, Self.admin)
        let admin = try #require(service.admin)
        let codes = try await place.shell(
            """
            for url in \(admin)/health \(admin)/health/live \(admin)/health/ready \(admin)/oauth2/token \
            \(service.url)/metrics; do curl --silent --output /dev/null --write-out '%{http_code} ' $url; done
            """)
        #expect(codes.output == "200 200 200 404 404 ")
        #expect(await service.end(by: SIGTERM) == 0)
    }

    @Test
    func `there is no admin address unless it is asked for, and elsewhere than on loopback it is warned of`()
        async throws
    {
        let place = try await Workplace.withVault()
        let plain = try await RunningService(in: place)
        #expect(plain.admin == nil)
        #expect(await plain.end(by: SIGTERM) == 0)
        let open = try await RunningService(in: place, ["--admin-listen", "0.0.0.0:0"])
        #expect(try open.log().contains("Metrics can be read from other machines"))
        #expect(await open.end(by: SIGTERM) == 0)
    }

    @Test func `an admin address in use is 9 and named`() async throws {
        let place = try await Workplace.withVault()
        let service = try await RunningService(in: place, Self.admin)
        let taken = try #require(service.admin).replacing("http://", with: "")
        let second = try await place.run(["serve", "--listen", "127.0.0.1:0", "--admin-listen", taken])
        #expect(second.status == 9, "\(second.complaints)")
        #expect(second.complaints.contains("--admin-listen"))
        #expect(await service.end(by: SIGTERM) == 0)
    }
}
