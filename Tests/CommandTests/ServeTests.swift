import Foundation
import TestSupport
import Testing

/// The service as a process: what it shows of itself, who may work beside it, and how it ends.
@Suite("The service as a process", .bounded)
struct ServeTests {
    @Test(arguments: [SIGTERM, SIGINT])
    func `a signal ends it gracefully, and its ready file goes`(_ signal: Int32) async throws {
        let place = try await Workplace.withVault()
        let service = try await RunningService(in: place)
        #expect(service.url.hasPrefix("http://127.0.0.1:"))
        #expect(place.exists("ready"))
        #expect(await service.end(by: signal) == 0)
        #expect(!place.exists("ready"))
        #expect(try await place.run(["audit", "verify"]).status == 0)
    }

    @Test func `the token endpoint answers, and commands work beside it`() async throws {
        let place = try await Workplace.withVault()
        let service = try await RunningService(in: place)
        let secret = try await Session.register(in: place)
        let session = Session(place: place, url: service.url, secret: secret)
        let tokens = try await session.exchange()
        let refreshed = try await session.refresh(tokens)
        #expect(refreshed["access_token"] as? String != tokens["access_token"] as? String)
        // A client disabled by a command is refused by the service at once.
        #expect(try await place.run(["client", "disable", "app"]).status == 0)
        #expect(try await session.refresh(refreshed)["error"] as? String == "invalid_client")
        #expect(await service.end(by: SIGTERM) == 0)
        let verdict = try await place.run(["audit", "verify", "--json"])
        #expect(try verdict.object()["ok"] as? Bool == true)
    }

    @Test func `commands and the service write at once and lose nothing`() async throws {
        let place = try await Workplace.withVault()
        let service = try await RunningService(in: place)
        let secret = try await Session.register(in: place)
        let session = Session(place: place, url: service.url, secret: secret)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var tokens = try await session.exchange()
                for _ in 0..<20 { tokens = try await session.refresh(tokens) }
            }
            for number in 0..<10 {
                group.addTask {
                    let added = try await place.run(["user", "add", "user\(number)"])
                    #expect(added.status == 0, "\(added.complaints)")
                }
            }
            try await group.waitForAll()
        }
        let grant = try await place.run(["grant", "show", "1", "--json"]).object()
        #expect(grant["generation"] as? Int == 21)
        let users = try await place.run(["user", "list", "--json"])
        #expect(users.outputLines.count == 11)
        #expect(await service.end(by: SIGTERM) == 0)
        #expect(try await place.run(["audit", "verify"]).status == 0)
    }

    @Test func `no secret shows in arguments, environment or log`() async throws {
        let place = try await Workplace.withVault()
        let service = try await RunningService(in: place, ["--log-level", "trace"])
        let secret = try await Session.register(in: place)
        let session = Session(place: place, url: service.url, secret: secret)
        let tokens = try await session.exchange()
        let refreshed = try await session.refresh(tokens)
        let key = try place.text("K").split(separator: " ").last.map { $0.trimmingCharacters(in: .newlines) }
        let secrets =
            [secret, "alice-of-the-test", try #require(key)]
            + [tokens, refreshed].flatMap { [$0["access_token"], $0["refresh_token"]] }.compactMap {
                $0 as? String
            }
        #expect(secrets.count == 7)
        let places = [
            "cmdline": try service.proc("cmdline"), "environ": try service.proc("environ"),
            "log": try service.log(),
        ]
        for (name, text) in places {
            #expect(!text.isEmpty, "\(name) shows nothing at all")
            for secret in secrets { #expect(!text.contains(secret), "\(name)") }
            #expect(text.firstMatch(of: /tv_(at|rt|ac|cs)_/) == nil, "\(name)")
        }
        #expect(await service.end(by: SIGTERM) == 0)
    }

    @Test(arguments: [false, true])
    func `token requests by GET are taken only with --legacy-get, and their secrets are not logged`(
        _ isOn: Bool
    ) async throws {
        let place = try await Workplace.withVault()
        let secret = try await Session.register(in: place)
        _ = try await place.run(["client", "set", "app", "--grant-type", "client_credentials"])
        let service = try await RunningService(
            in: place, ["--log-level", "trace"] + (isOn ? ["--legacy-get"] : []))
        let query = "grant_type=client_credentials&client_id=app&client_secret=\(secret)&scope=basic"
        let answer = try await place.run(
            program: "/usr/bin/curl", ["--silent", "--config", "-"],
            input: "url=\"\(service.url)/oauth2/token?\(query)\"")
        #expect((try answer.object()["access_token"] is String) == isOn, "\(answer.output)")
        #expect(await service.end(by: SIGTERM) == 0)
        #expect(try !service.log().contains(secret))
    }

    @Test func `it leaves no core dump`() async throws {
        let place = try await Workplace.withVault()
        let service = try await RunningService(in: place)
        let limits = try service.proc("limits")
        let line = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max core file size") })
        #expect(line.split(separator: " ").filter { $0 == "0" }.count == 2)
        #expect(await service.end(by: SIGTERM) == 0)
    }

    /// Both ways round: the service's own port, and the one for metrics.
    @Test(arguments: [["--listen"], ["--listen", "127.0.0.1:0", "--admin-listen"]])
    func `it announces itself nowhere unless every address is listened on`(_ options: [String]) async throws {
        let place = try await Workplace.withVault()
        let holder = try await RunningService(in: place)
        let taken = holder.url.replacing("http://", with: "")
        try place.write(
            """
            import os, socket, subprocess, sys
            wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            wire.bind("notify")
            wire.setblocking(False)
            second = subprocess.run(
                ["tokenvault", "serve", *sys.argv[1:], "--ready-file", "second", "--json"],
                env=dict(os.environ, NOTIFY_SOCKET=os.getcwd() + "/notify"), capture_output=True, text=True)
            try: notice = wire.recv(100).decode()
            except BlockingIOError: notice = "nothing"
            print(second.returncode, notice, os.path.exists("second"), "http://" in second.stdout + second.stderr)
            print(second.stderr)
            """, to: "supervisor.py")
        let second = try await place.shell(
            "python3 supervisor.py \((options + [taken]).joined(separator: " "))")
        #expect(second.outputLines.first == "9 nothing False False", "\(second.output)\(second.complaints)")
        let named = "Cannot listen on \(taken)"
        #expect(second.output.contains(named) && second.output.contains("('\(options.last ?? "")')"))
        #expect(await holder.end(by: SIGTERM) == 0)
    }

    @Test func `an address in use is 9, and a stale ready file goes`() async throws {
        let place = try await Workplace.withVault()
        let service = try await RunningService(in: place)
        let address = service.url.replacing("http://", with: "")
        try place.write("http://old\n", to: "stale")
        let second = try await place.run(["serve", "--listen", address, "--ready-file", "stale", "--json"])
        #expect(second.status == 9, "\(second.complaints)")
        #expect(!place.exists("stale"))
        #expect(await service.end(by: SIGTERM) == 0)
    }

    @Test func `a ready file that cannot be written stops it before it serves`() async throws {
        let place = try await Workplace.withVault()
        let ending = try await place.run([
            "serve", "--listen", "127.0.0.1:0", "--ready-file", "no/where", "--json",
        ])
        #expect(ending.status == 3)
        #expect(ending.output.isEmpty)
    }
}
