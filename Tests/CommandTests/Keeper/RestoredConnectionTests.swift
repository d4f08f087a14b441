import Foundation
import TestSupport
import Testing
import TokenVaultTesting

/// Connections of a vault that was restored: the provider rotates refresh tokens and takes a repeat for theft.
@Suite("A restored connection never sends a stale refresh token", .bounded)
struct RestoredConnectionTests {
    @Test(arguments: [["--log", "old/V"], []], ["revokes", "tolerated"])
    func `whatever its operator asks, until its user consents again`(_ log: [String], _ replay: String)
        async throws
    {
        try await KeeperStage.run { stage in
            // What the entry says of repeats changes nothing.
            let entry = KeeperStage.yaml(at: stage.server.url).replacing(
                "replay: revokes", with: "replay: \(replay)")
            try stage.place.write(entry, to: "scripted.yaml")
            _ = try await stage.done([
                "provider", "add", "scripted", "--replace", "--file", "scripted.yaml", "--client-id",
                "scripted-client", "--client-secret-file", "secret", "--scope", KeeperStage.scope,
            ])
            let grant = try await stage.importGrant()
            _ = try await stage.done(["backup", "create", "--out", "B", "--keys-out", "BK"])
            _ = try await stage.done(["connection", "refresh", "scripted/alice"])
            let moved = try await stage.place.shell("mkdir -m 700 old && mv V V.lock V.ballast old/")
            #expect(moved.status == 0, "\(moved.complaints)")
            let restored = try await stage.done(
                ["restore", "--apply", "--json", "--from", "B", "--keys", "BK"] + log)
            let rows = try restored.object()["moved"] as? [[String: Any]]
            #expect(rows?.map { $0["becomes"] as? String } == ["quarantined"])
            let requests = stage.provider.requests(to: .token)

            let shown = try await stage.done(["connection", "show", "scripted/alice"])
            #expect(shown.output.contains("needs-consent (restored"), "\(shown.output)")
            #expect(shown.complaints.contains("connection connect"))
            let number = try #require(
                try await stage.done(["connection", "show", "scripted/alice", "--json"]).object()[
                    "connection"]
                    as? Int)
            for asked in [
                ["refresh", "\(number)"],
                ["refresh", "\(number)", "--spend-uncertain", "--confirm", "\(number)"],
                ["exec", "\(number)", "--", "touch", "ran"],
            ] {
                let refused = try await stage.place.run(["connection"] + asked)
                #expect(refused.status == 4, "\(asked): \(refused.complaints)")
                #expect(refused.complaints.contains("the vault was restored from a backup"), "\(asked)")
                #expect(refused.complaints.contains("connection connect"), "\(asked)")
            }
            #expect(!stage.place.exists("ran"))
            #expect(stage.provider.requests(to: .token) == requests, "nothing was sent")
            #expect(
                stage.provider.redemptions(of: grant.family) == [1, 0] && stage.provider.reuseAlarms == 0)

            let connected = try await stage.connect()
            #expect(connected.status == 0, "\(connected.complaints)")
            #expect(try connected.object()["connection"] as? Int == number)
            #expect(try connected.object()["state"] as? String == "live")
            _ = try await stage.done(["connection", "refresh", "scripted/alice"])
            #expect(stage.provider.reuseAlarms == 0)
            _ = try await stage.done(["audit", "verify"])
        }
    }
}

@Suite("A restore stops the providers that an operator changed since the backup", .bounded)
struct RestoredProviderTests {
    @Test(arguments: [(false, "active"), (true, "stopped")])
    func `and none for a refusal that came since`(_ isChanged: Bool, _ state: String) async throws {
        try await KeeperStage.run { stage in
            _ = try await stage.importGrant()
            _ = try await stage.done(["backup", "create", "--out", "B", "--keys-out", "BK"])
            stage.provider.failNext(.status(401))
            #expect(try await stage.place.run(["connection", "refresh", "scripted/alice"]).status == 9)
            let doubted = try await stage.done(["provider", "show", "scripted", "--json"]).object()
            #expect((doubted["refused_connections"] as? [Int])?.count == 1, "\(doubted)")
            if isChanged {
                _ = try await stage.done([
                    "provider", "add", "scripted", "--replace", "--file", "scripted.yaml", "--client-id",
                    "scripted-client", "--client-secret-file", "secret", "--scope", KeeperStage.scope,
                ])
            }
            let moved = try await stage.place.shell("mkdir -m 700 old && mv V V.lock V.ballast old/")
            #expect(moved.status == 0, "\(moved.complaints)")
            _ = try await stage.done(["restore", "--apply", "--from", "B", "--keys", "BK", "--log", "old/V"])
            let provider = try await stage.done(["provider", "show", "scripted", "--json"]).object()
            #expect(provider["state"] as? String == state, "\(provider)")
            _ = try await stage.done(["audit", "verify"])
        }
    }
}
