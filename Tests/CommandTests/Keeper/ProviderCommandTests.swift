import Foundation
import TestSupport
import Testing
import TokenVaultTesting

/// Providers by command, against a server that can be reached.
@Suite("`provider` against a server", .bounded)
struct ProviderCommandTests {
    @Test func `an entry of one's own is added from a file, and its secret is not shown`() async throws {
        try await KeeperStage.run { stage in
            let shown = try await stage.done(["provider", "show", "scripted", "--json"])
            let object = try shown.object()
            #expect(object["client_id"] as? String == "scripted-client")
            #expect(object["has_client_secret"] as? Bool == true)
            #expect(object["scope"] as? String == "read write")
            #expect(object["replay"] as? String == "revokes")
            let endpoints = object["endpoints"] as? [String: Any]
            #expect(endpoints?["token"] as? String == stage.server.url + "/token")
            #expect(endpoints?["device_authorization"] as? String == stage.server.url + "/device")
            let list = try await stage.done(["provider", "list"])
            #expect(list.outputLines.count == 2 && list.output.contains("active"))
            for text in [shown.output, list.output] {
                #expect(!text.contains(stage.clientSecret))
            }
        }
    }

    @Test func `discovery is fetched once, when the provider is added, and shown`() async throws {
        try await KeeperStage.run { stage in
            let before = stage.provider.requests(to: .discovery)
            let added = try await stage.done([
                "provider", "add", "login", "--entry", "oidc", "--variable", "issuer=\(stage.server.url)",
                "--client-id", "scripted-client", "--client-secret-file", "secret",
            ])
            #expect(added.complaints.contains("\(stage.server.url)/authorize"))
            let asked = stage.provider.requests(to: .discovery)
            #expect(asked > before)
            let shown = try await stage.done(["provider", "show", "login", "--json"]).object()
            let endpoints = shown["endpoints"] as? [String: Any]
            #expect(endpoints?["token"] as? String == stage.server.url + "/token")
            #expect(endpoints?["revocation"] as? String == stage.server.url + "/revoke")
            #expect(stage.provider.requests(to: .discovery) == asked)
        }
    }

    @Test func `a check spends nothing and tells what is wrong`() async throws {
        try await KeeperStage.run { stage in
            let good = try await stage.place.run([
                "provider", "test", "scripted", "--client-credentials", "--json",
            ])
            #expect(good.status == 0, "\(good.output)\(good.complaints)")
            let findings = try good.outputLines.map(Ending.object)
            #expect(
                Set(findings.compactMap { $0["check"] as? String })
                    == [
                        "entry", "state", "authorization", "token", "revocation", "device_authorization",
                        "discovery", "client",
                    ])
            #expect(findings.allSatisfy { $0["ok"] as? Bool == true })

            try stage.place.write("wrong", to: "wrong")
            _ = try await stage.done([
                "provider", "add", "scripted", "--replace", "--file", "scripted.yaml", "--client-id",
                "scripted-client", "--client-secret-file", "wrong",
            ])
            let refused = try await stage.place.run(["provider", "test", "scripted", "--client-credentials"])
            #expect(refused.status == 11, "\(refused.output)")
            #expect(refused.output.contains("invalid_client"))

            _ = try await stage.done([
                "provider", "add", "gone", "--file", "scripted.yaml", "--client-id", "x",
                "--client-secret-file", "wrong", "--endpoint", "token=http://127.0.0.1:9/token",
                "--endpoint", "authorization=http://127.0.0.1:9/a", "--endpoint",
                "revocation=http://127.0.0.1:9/r", "--endpoint", "device_authorization=http://127.0.0.1:9/d",
            ])
            let silent = try await stage.place.run(["provider", "test", "gone"])
            #expect(silent.status == 9, "\(silent.output)")
            #expect(silent.output.contains("no answer: connect"))
        }
    }

    @Test func `a refused client stops the provider, hurts no connection, and 'resume' goes on`() async throws
    {
        try await KeeperStage.run { stage in
            _ = try await stage.importGrant()
            stage.provider.failNext(.invalidClient)
            let refused = try await stage.place.run(["connection", "refresh", "scripted/alice"])
            #expect(refused.status == 9, "\(refused.complaints)")
            #expect(refused.complaints.contains("provider resume"))
            let shown = try await stage.done(["provider", "show", "scripted", "--json"]).object()
            #expect(shown["state"] as? String == "stopped")
            let unhurt = try await stage.done(["connection", "show", "scripted/alice", "--json"]).object()
            #expect(unhurt["state"] as? String == "live")
            #expect(shown["refused_connections"] as? [Int] == [unhurt["connection"] as? Int ?? 0])
            #expect(shown["refused_because"] as? String == "invalid-client")
            let words = (unhurt["refusal"] as? [String: Any])?["words"] as? String
            #expect(words?.hasPrefix("HTTP 401 invalid_client") == true, "\(unhurt)")
            _ = try await stage.done(["provider", "resume", "scripted"])
            _ = try await stage.done(["connection", "refresh", "scripted/alice"])
        }
    }

    @Test func `a connection that is refused says why, and is listed once it is failing`() async throws {
        try await KeeperStage.run { stage in
            _ = try await stage.importGrant()
            stage.provider.failNext(.errorUnder200("invalid_request"))
            let refused = try await stage.place.run(["connection", "refresh", "scripted/alice"])
            #expect(refused.status == 9, "\(refused.complaints)")
            #expect(refused.complaints.contains("HTTP 200 invalid_request"), "\(refused.complaints)")
            let failing = try await stage.done(["connection", "list", "--failing"])
            #expect(!failing.output.contains("alice"))
            let both = try await stage.place.run(["connection", "list", "--failing", "--state", "live"])
            #expect(both.status == 2)
        }
    }

    @Test func `a provider with connections stays`() async throws {
        try await KeeperStage.run { stage in
            _ = try await stage.importGrant()
            let unconfirmed = try await stage.place.run(["provider", "remove", "scripted"])
            #expect(unconfirmed.status == 10)
            let used = try await stage.place.run(["provider", "remove", "scripted", "--confirm", "scripted"])
            #expect(used.status == 4)
            #expect(used.complaints.contains("connection list"))
            _ = try await stage.done([
                "connection", "remove", "scripted/alice", "--confirm", "scripted/alice",
            ])
            _ = try await stage.done(["provider", "remove", "scripted", "--confirm", "scripted"])
        }
    }
}
