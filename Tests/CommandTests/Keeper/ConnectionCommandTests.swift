import Foundation
import TestSupport
import Testing
import TokenVaultTesting

/// A connection in use: refreshed, handed to commands, revealed, ended.
@Suite("Connections by command", .bounded)
struct ConnectionCommandTests {
    @Test func `a refresh brings the next generation, at the provider too`() async throws {
        try await KeeperStage.run { stage in
            let grant = try await stage.importGrant()
            let refreshed = try await stage.done(["connection", "refresh", "scripted/alice", "--json"])
            #expect(try refreshed.object()["generation"] as? Int == 2)
            #expect(stage.provider.redemptions(of: grant.family) == [1, 0])
            #expect(stage.provider.reuseAlarms == 0)
        }
    }

    @Test func `a command finds the token in its descriptor and nowhere else, and gives its status`()
        async throws
    {
        try await KeeperStage.run { stage in
            let grant = try await stage.importGrant()
            try stage.place.write(
                """
                cat <&3 > token
                cat /proc/$$/environ /proc/$$/cmdline /proc/$PPID/cmdline | tr '\\0' '\\n' > seen
                ls -l /proc/$$/fd > open
                echo "fd=$TOKENVAULT_TOKEN_FD"
                exit 7
                """, to: "script")
            let ran = try await stage.place.run([
                "connection", "exec", "scripted/alice", "--", "sh", "script",
            ])
            #expect(ran.status == 7, "\(ran.complaints)")
            #expect(try stage.place.text("token") == grant.accessToken)
            #expect(ran.output.contains("fd=3"))
            // Nothing of the vault is open in the command.
            let open = try stage.place.text("open")
            #expect(open.contains(" 3 -> pipe:") && !open.contains("/V"), "\(open)")
            #expect(!open.contains("[eventpoll]"), "\(open)")
            let seen = try stage.place.text("seen")
            #expect(seen.contains("TOKENVAULT_TOKEN_FD=3"))
            #expect(!seen.contains(grant.accessToken) && !ran.output.contains(grant.accessToken))
        }
    }

    @Test func `a command that is not there is 3, one without a token is not run`() async throws {
        try await KeeperStage.run { stage in
            let grant = try await stage.importGrant()
            let missing = try await stage.place.run(["connection", "exec", "scripted/alice", "--", "no-such"])
            #expect(missing.status == 3, "\(missing.complaints)")
            stage.provider.revoke(family: grant.family)
            _ = try await stage.place.run(["connection", "refresh", "scripted/alice"])
            _ = try await stage.done(["connection", "revoke", "scripted/alice"])
            let unwanted = try await stage.place.run([
                "connection", "exec", "scripted/alice", "--", "touch", "ran",
            ])
            #expect(unwanted.status == 4, "\(unwanted.complaints)")
            #expect(!stage.place.exists("ran"))
        }
    }

    @Test func `a grant that ended there needs consent: 4, with the way out`() async throws {
        try await KeeperStage.run { stage in
            let grant = try await stage.importGrant()
            stage.provider.revoke(family: grant.family)
            let refused = try await stage.place.run(["connection", "refresh", "scripted/alice", "--json"])
            #expect(refused.status == 4, "\(refused.complaints)")
            let failure = try Ending.object(#require(refused.complaintLines.last))
            #expect((failure["remedy"] as? String)?.contains("connection connect") == true)
            let waiting = try await stage.done(["connection", "list", "--state", "needs-consent", "--json"])
            #expect(waiting.outputLines.count == 1)
            // Another consent heals it.
            #expect(try await stage.connect().status == 0)
            #expect(
                try await stage.done(["connection", "list", "--state", "live", "--json"]).outputLines.count
                    == 1)
        }
    }

    @Test func `a busy provider is 9, and nothing is lost`() async throws {
        try await KeeperStage.run { stage in
            _ = try await stage.importGrant()
            stage.provider.failNext(.status(503, retryAfter: "7"))
            let busy = try await stage.place.run(["connection", "refresh", "scripted/alice"])
            #expect(busy.status == 9, "\(busy.complaints)")
            #expect(busy.complaints.contains("Nothing is lost."))
            _ = try await stage.done(["connection", "refresh", "scripted/alice"])
        }
    }

    @Test func `an answer lost under a strict provider is asked again only by a confirmed decision`()
        async throws
    {
        try await KeeperStage.run { stage in
            _ = try await stage.importGrant()
            stage.provider.failNext(.dropBefore)
            let lost = try await stage.place.run(["connection", "refresh", "scripted/alice"])
            #expect([4, 9].contains(lost.status), "\(lost.complaints)")
            let again = try await stage.place.run(["connection", "refresh", "scripted/alice"])
            #expect(again.status == 4, "\(again.complaints)")
            let unconfirmed = try await stage.place.run([
                "connection", "refresh", "scripted/alice", "--spend-uncertain",
            ])
            #expect(unconfirmed.status == 10)
            // The request had never arrived: the connection lives on.
            let healed = try await stage.done([
                "connection", "refresh", "scripted/alice", "--spend-uncertain", "--confirm", "scripted/alice",
                "--json",
            ])
            #expect(try healed.object()["state"] as? String == "live")
            #expect(stage.provider.reuseAlarms == 0)
        }
    }

    @Test func `an unreadable reply is kept, and read again when the entry says how`() async throws {
        try await KeeperStage.run { stage in
            _ = try await stage.importGrant()
            let wrong =
                KeeperStage.yaml(at: stage.server.url)
                + "replies:\n  access_token: [somewhere.else]\n"
            try stage.place.write(wrong, to: "wrong.yaml")
            let replace = [
                "provider", "add", "scripted", "--replace", "--client-id", "scripted-client",
                "--client-secret-file", "secret", "--file",
            ]
            _ = try await stage.done(replace + ["wrong.yaml"])
            let kept = try await stage.place.run(["connection", "refresh", "scripted/alice"])
            #expect(kept.status == 9, "\(kept.complaints)")
            #expect(kept.complaints.contains("replay-reply"))
            let still = try await stage.place.run(["connection", "replay-reply", "scripted/alice"])
            #expect(still.status == 9, "\(still.complaints)")
            _ = try await stage.done(replace + ["scripted.yaml"])
            let read = try await stage.done(["connection", "replay-reply", "scripted/alice", "--json"])
            #expect(try read.object()["generation"] as? Int == 2)
            #expect(try read.object()["unread_reply"] as? Bool == false)
        }
    }

    @Test func `tokens are revealed with a reason, and the log knows before they are shown`() async throws {
        try await KeeperStage.run { stage in
            let grant = try await stage.importGrant()
            #expect(try await stage.place.run(["connection", "reveal", "scripted/alice"]).status == 2)
            // A full disk behind standard output: nothing is seen, and yet it is in the log.
            let unseen = try await stage.place.shell(
                "tokenvault connection reveal scripted/alice --reason 'a test' > /dev/full")
            #expect(unseen.status == 8)
            func reveals() async throws -> Int {
                try await stage.done(["audit", "list", "--json"]).outputLines.filter {
                    $0.contains("connection.reveal") || $0.contains("connection_reveal")
                }.count
            }
            #expect(try await reveals() == 1)
            let revealed = try await stage.done([
                "connection", "reveal", "scripted/alice", "--reason", "a test", "--json",
            ]).object()
            #expect(revealed["access_token"] as? String == grant.accessToken)
            #expect(revealed["refresh_token"] as? String == grant.refreshToken)
            #expect(try await reveals() == 2)
        }
    }

    @Test func `a probe tells the status and nothing of the answer`() async throws {
        try await KeeperStage.run { stage in
            let grant = try await stage.importGrant()
            let url = stage.server.url + "/resource"
            let good = try await stage.place.run(["connection", "probe", "scripted/alice", "--url", url])
            #expect(good.status == 0 && good.output == "HTTP 200\n", "\(good.output)\(good.complaints)")
            stage.provider.revoke(family: grant.family)
            let refused = try await stage.place.run(["connection", "probe", "scripted/alice", "--url", url])
            #expect(refused.status == 4 && refused.output == "HTTP 401\n", "\(refused.output)")
            let open = try await stage.place.run([
                "connection", "probe", "scripted/alice", "--url", "http://api.example/",
            ])
            #expect(open.status == 2)
        }
    }

    @Test func `a revoked connection is revoked at the provider, at once or later by the service`()
        async throws
    {
        try await KeeperStage.run { stage in
            let grant = try await stage.importGrant()
            let queued = try await stage.done(["connection", "revoke", "scripted/alice", "--queue", "--json"])
            #expect(try queued.object()["state"] as? String == "revoking")
            #expect(stage.provider.requests(to: .revoke) == 0)
            let service = try await RefreshService(in: stage.place)
            #expect(stage.place.exists("refreshing"))
            while stage.provider.isLive(accessToken: grant.accessToken) { await Task.yield() }
            #expect(await service.end(by: SIGTERM) == 0)
            #expect(!stage.place.exists("refreshing"))
            let shown = try await stage.done(["connection", "show", "scripted/alice", "--json"]).object()
            #expect(shown["state"] as? String == "revoked")

            try stage.place.write(try #require(stage.provider.grant().refreshToken), to: "refresh")
            _ = try await stage.done([
                "connection", "import", "scripted", "--user", "alice", "--label", "two",
                "--refresh-token-file", "refresh",
            ])
            let ended = try await stage.done(["connection", "revoke", "scripted/alice/two", "--json"])
            #expect(try ended.object()["state"] as? String == "revoked")
        }
    }

    @Test func `the service refreshes what is due, and its log holds no token`() async throws {
        try await KeeperStage.run {
            $0.accessLifetime = .seconds(4)
        } _: { stage in
            #expect(try await stage.connect().status == 0)
            let family = try #require(stage.provider.families.last)
            let service = try await RefreshService(in: stage.place, ["--log-level", "trace", "--calls", "2"])
            let deadline = ContinuousClock.now + .seconds(60)
            while stage.provider.redemptions(of: family.id).count < 3, ContinuousClock.now < deadline {
                await Task.yield()
            }
            #expect(stage.provider.redemptions(of: family.id).count >= 3)
            #expect(await service.end(by: SIGINT) == 0)
            #expect(stage.provider.reuseAlarms == 0)
            let now = try #require(stage.provider.families.first { $0.id == family.id })
            let revealed = try await stage.done([
                "connection", "reveal", "scripted/alice", "--reason", "a test", "--json",
            ]).object()
            #expect(revealed["refresh_token"] as? String == now.refreshToken)
            for secret in [now.accessToken, now.refreshToken ?? "-", stage.clientSecret] {
                #expect(try !service.log().contains(secret))
            }
            #expect(try await stage.place.run(["audit", "verify"]).status == 0)
        }
    }

    @Test func `no secret is in the vault's files, in output or in the process list`() async throws {
        try await KeeperStage.run { stage in
            let connected = try await stage.connect(
                before: "cat /proc/$P/cmdline /proc/$P/environ | tr '\\0' '\\n' > process")
            #expect(connected.status == 0, "\(connected.complaints)")
            let family = try #require(stage.provider.families.last)
            let refreshed = try await stage.done(["connection", "refresh", "scripted/alice"])
            let now = try #require(stage.provider.families.last)
            let shown = try await stage.done(["connection", "show", "scripted/alice"])
            let secrets = [
                family.accessToken, family.refreshToken ?? "-", now.accessToken, now.refreshToken ?? "-",
                stage.clientSecret,
            ]
            var texts = [connected.output, connected.complaints, refreshed.output, shown.output]
            texts.append(try stage.place.text("process"))
            for name in try FileManager.default.contentsOfDirectory(atPath: stage.place.path)
            where name.hasPrefix("V") {
                texts.append(
                    String(
                        decoding: try Data(contentsOf: URL(filePath: "\(stage.place.path)/\(name)")),
                        as: UTF8.self))
            }
            for text in texts {
                for secret in secrets { #expect(!text.contains(secret)) }
            }
        }
    }
}
