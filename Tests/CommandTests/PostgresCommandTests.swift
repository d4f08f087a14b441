import Foundation
import TestSupport
import Testing
import TokenVaultTesting

/// The same commands, each a process, on a server of the test's own.
@Suite(.bounded, .withServer) struct `Every command works on a vault in PostgreSQL` {
    private func done(_ place: Workplace, _ arguments: [String], input: String = "") async throws -> Ending {
        let ending = try await place.run(arguments, input: input)
        guard ending.status == 0 else {
            throw Missing.value("\(arguments) to succeed: \(ending.status) \(ending.complaints)")
        }
        return ending
    }

    @Test func `clients, users, grants, keys, anchors, webhooks, backups and the log`() async throws {
        let place = try await Workplace.withVault(in: PostgresCluster.shared.get())
        let secret = try await Session.register(in: place)
        let service = try await RunningService(in: place, ["--admin-listen", "127.0.0.1:0"])
        let session = Session(place: place, url: service.url, secret: secret)
        let first = try await session.exchange()
        let second = try await session.refresh(first)
        // A repeated refresh gets the same pair, and one that was stolen ends the grant.
        #expect(
            try await session.refresh(first)["refresh_token"] as? String == second["refresh_token"] as? String
        )
        let third = try await session.refresh(second)
        #expect(third["refresh_token"] != nil)
        #expect(try await session.refresh(first)["error"] as? String == "invalid_grant")
        let ready = try await place.shell(
            "curl -sf \(service.url)/health/ready && curl -sf \(service.admin ?? "")/metrics")
        #expect(ready.status == 0 && ready.output.contains("tokenvault_server_clock_ahead_seconds"))

        _ = try await done(
            place, ["key", "slot", "add", "--name", "spare", "--new-key-file", "K2", "--create"])
        #expect(try await done(place, ["key", "slot", "list"]).outputLines.count == 3)
        _ = try await done(place, ["key", "slot", "test", "--key-file", "K2"])
        _ = try await done(place, ["key", "signing", "list"])
        for key in ["handles", "tags", "lookup", "rows", "log", "issuer", "root"] {
            _ = try await done(place, ["key", "rotate", key])
        }
        _ = try await done(place, ["audit", "anchor", "add", "file", "anchor"])
        #expect(try await done(place, ["audit", "anchor", "list"]).outputLines.count == 2)
        _ = try await done(place, ["audit", "anchor", "check"])
        _ = try await done(place, ["webhook", "add", "https://app.example/hooks"])
        #expect(try await done(place, ["webhook", "list"]).output.contains("https://app.example/hooks"))
        _ = try await done(place, ["client", "list"])
        _ = try await done(place, ["grant", "list"])
        #expect(try await session.exchange()["refresh_token"] != nil)
        let status = try await done(place, ["status", "--json"]).object()
        #expect(status["clients"] as? Int == 1 && status["keyslots"] as? Int == 2)
        let doctor = try await place.run(["doctor", "--json"]).output
        #expect(doctor.contains("postgres.opens") && !doctor.contains("\"severity\":\"error\""), "\(doctor)")
        _ = try await done(place, ["backup", "create", "--out", "b.data", "--keys-out", "b.keys"])
        _ = try await done(place, ["backup", "verify", "b.data", "--keys", "b.keys"])
        #expect(await service.end(by: SIGTERM) == 0)
        #expect(try !service.log().contains("damaged"))

        _ = try await done(place, ["audit", "verify"])
        _ = try await done(place, ["audit", "search", "--limit", "5"])
        _ = try await done(place, ["audit", "export", "--format", "ndjson"])
    }

    @Test func `connections are refreshed when they are due, and revoked`() async throws {
        try await KeeperStage.run(in: try await Workplace.withVault(in: PostgresCluster.shared.get())) {
            $0.accessLifetime = .seconds(4)
        } _: { stage in
            #expect(try await stage.connect().status == 0)
            let family = try #require(stage.provider.families.last)
            // As on two machines; one goes on without the other.
            let services = [
                try await RefreshService(in: stage.place), try await RefreshService(in: stage.place),
            ]
            var count = 0
            for service in services {
                #expect(
                    try await Waiting.until { stage.provider.redemptions(of: family.id).count >= count + 3 })
                #expect(await service.end(by: SIGTERM) == 0)
                count = stage.provider.redemptions(of: family.id).count
            }
            #expect(stage.provider.redemptions(of: family.id).allSatisfy { $0 <= 1 })
            #expect(stage.provider.reuseAlarms == 0)
            let shown = try await stage.done(["connection", "show", "scripted/alice", "--json"]).object()
            #expect(shown["state"] as? String == "live")
            _ = try await stage.done(["connection", "list", "--failing"])
            _ = try await stage.done(["provider", "list"])
            _ = try await stage.done(["connection", "revoke", "scripted/alice"])
            _ = try await stage.done(["audit", "verify"])
        }
    }

    @Test func `an issuer and a keeper serve it beside each other, each as the user that is made for it`()
        async throws
    {
        let cluster = try PostgresCluster.shared.get()
        let place = try await Workplace.withVault(in: cluster)
        let service = try String(#require(place.environment["TOKENVAULT_PATH"]).dropFirst("postgres:".count))
        try cluster.makeUsers(in: service)
        func serving(_ role: String) -> [String] {
            ["--role", role, "--vault", "postgres:" + PostgresCluster.user(for: role, of: service)]
        }
        try await KeeperStage.run(in: place) {
            $0.accessLifetime = .seconds(4)
        } _: { stage in
            #expect(try await stage.connect().status == 0)
            let family = try #require(stage.provider.families.last)
            let secret = try await Session.register(in: place)
            let keeper = try await RefreshService(in: place, serving("keeper"))
            let issuer = try await RunningService(in: place, serving("issuer"))
            let session = Session(place: place, url: issuer.url, secret: secret)
            let first = try await session.exchange()
            let second = try await session.refresh(first)
            #expect(try await session.refresh(second)["refresh_token"] != nil)
            #expect(try await session.refresh(first)["error"] as? String == "invalid_grant")
            #expect(
                try await Waiting.until { stage.provider.redemptions(of: family.id).count >= 3 })
            #expect(await keeper.end(by: SIGTERM) == 0)
            #expect(await issuer.end(by: SIGTERM) == 0)
            #expect(stage.provider.reuseAlarms == 0)
            // Once each: the rest of what a role may not do is never tried.
            for log in [try keeper.log(), try issuer.log()] {
                let refused = log.split(separator: "\n").filter { $0.contains("42501") }
                #expect(refused.count <= 2 && refused.allSatisfy { $0.contains(" is left to a process ") })
            }
            _ = try await stage.done(["audit", "verify"])
        }
    }

    @Test func `a database that a vault was moved away from is refused`() async throws {
        let place = try await Workplace.withVault(in: PostgresCluster.shared.get())
        let old = try #require(place.environment["TOKENVAULT_PATH"])
        _ = try await done(place, ["user", "add", "alice"])
        _ = try await done(place, ["move", "--to", "F"])
        #expect(try await done(place, ["user", "list", "--vault", "F"]).output.contains("alice"))
        let refused = try await place.run(["user", "list", "--vault", old])
        #expect(refused.status != 0 && refused.complaints.contains("moved away"), "\(refused.complaints)")
        let again = try await place.run(["move", "--vault", "F", "--to", old, "--single"])
        #expect(again.status == 4 && again.complaints.contains("DROP SCHEMA tokenvault CASCADE"))
        #expect(place.exists("F"))
    }

    @Test func `a move that is killed at any moment is run again, until all of the log is there`()
        async throws
    {
        let cluster = try PostgresCluster.shared.get()
        let service = try cluster.makeDatabase()
        let place = try Workplace(services: PostgresCluster.servicesFile)
        _ = try await done(place, ["init", "--create-key-file"])
        for name in ["alice", "bob", "carol"] { _ = try await done(place, ["user", "add", name]) }
        // Each time a little later, until one ends by itself.
        try place.write(
            """
            import subprocess, sys
            status, kills = None, 0
            while status is None:
                process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
                try: status = process.wait(kills * 0.1)
                except subprocess.TimeoutExpired:
                    process.kill(); process.wait(); kills += 1
            print(kills)
            sys.exit(status)
            """, to: "kill.py")
        let ending = try await place.shell(
            "python3 kill.py tokenvault move --to postgres:\(service) --single")
        // One that was killed behind its last step has nothing to do any more.
        #expect(ending.status == 0 || ending.status == 3 && !place.exists("V"), "\(ending.complaints)")
        #expect(try #require(Int(ending.output.dropLast())) > 3)
        let left = try await place.shell(
            "sqlite3 V.moved-* 'SELECT lower(hex(hash)) FROM audit_leaves ORDER BY id'")
        let hashes = left.output.split(separator: "\n")
        #expect(hashes.count > 4)
        let copied = try cluster.run(
            "SELECT encode(hash, 'hex') FROM audit_leaves ORDER BY id LIMIT \(hashes.count)", in: service)
        #expect(copied.split(separator: "\n") == hashes)
        let vault = ["--vault", "postgres:\(service)"]
        #expect(try await done(place, ["user", "list"] + vault).outputLines.count == 4)
        _ = try await done(place, ["audit", "verify"] + vault)
    }

    @Test
    func `a vault whose recovery key cannot be written is not made, and the next try finds the place free`()
        async throws
    {
        let service = try PostgresCluster.shared.get().makeDatabase()
        let place = try Workplace(vault: "postgres:\(service)", services: PostgresCluster.servicesFile)
        try place.write("a passphrase for the safe", to: "P")
        let initialize = [
            "init", "--single", "--create-key-file", "--recovery-passphrase-file", "P", "--recovery-file",
        ]
        let failed = try await place.run(initialize + ["K"])
        #expect(failed.status != 0 && !place.exists("K"), "\(failed.complaints)")
        _ = try await done(place, initialize + ["R"])
        #expect(try await done(place, ["key", "slot", "list"]).output.contains("recovery"))
        // What opens another's is not made, nor is a key file left in the way.
        let again = try await place.run(initialize + ["R2", "--key-file", "K2"])
        #expect(again.status != 0 && !place.exists("K2") && !place.exists("R2"))
    }

    @Test func `a role that owns nothing serves it, with rights on rows alone`() async throws {
        let cluster = try PostgresCluster.shared.get()
        let place = try await Workplace.withVault(in: cluster)
        let service = try String(#require(place.environment["TOKENVAULT_PATH"]).dropFirst("postgres:".count))
        try cluster.makeUsers(in: service)
        let vault = ["--vault", "postgres:" + PostgresCluster.user(for: "rows", of: service)]
        let secret = try await Session.register(in: place)
        let server = try await RunningService(in: place, vault)
        let session = Session(place: place, url: server.url, secret: secret)
        #expect(try await session.refresh(session.exchange())["refresh_token"] != nil)
        _ = try await done(place, ["key", "rotate", "rows"] + vault)
        _ = try await done(place, ["audit", "verify"] + vault)
        #expect(try await place.run(["doctor"] + vault).output.contains("belong to another role"))
        #expect(await server.end(by: SIGTERM) == 0)
    }
}
