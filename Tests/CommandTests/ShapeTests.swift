import Foundation
import TestSupport
import Testing

/// The commands that scripts rely on, with the members they read.
@Suite("The shapes scripts rely on", .bounded)
struct ShapeTests {
    @Test func `the first commands print what scripts read`() async throws {
        let place = try Workplace()
        let made = try await place.run([
            "init", "--vault", "V", "--key-file", "K", "--create-key-file", "--json",
        ])
        #expect(made.status == 0 && made.complaints.isEmpty)
        #expect(try made.object()["vault"] as? String == "V")

        let client = try await place.run([
            "client", "add", "NAME", "--redirect-uri", "https://app.example/cb", "--scope",
            "basic readmeasurements",
            "--grant-type", "authorization_code", "--grant-type", "refresh_token", "--json",
        ])
        let clientID = try #require(try client.object()["client_id"] as? String)
        #expect(try client.object()["client_secret"] as? String != nil)

        let open = try await place.run([
            "client", "add", "PUBLIC", "--public", "--redirect-uri", "https://app.example/cb", "--json",
        ])
        #expect(try open.object().keys.contains("client_id"))
        #expect(try !open.object().keys.contains("client_secret"))

        let user = try await place.run(["user", "add", "alice", "--json"])
        #expect(try user.object()["user"] as? String == "alice")

        let code = try await place.run([
            "grant", "authorize", "--client", clientID, "--user", "alice", "--scope", "basic",
            "--redirect-uri",
            "https://app.example/cb", "--json",
        ])
        #expect(try (code.object()["code"] as? String)?.hasPrefix("tv_ac_") == true)
        #expect(try code.object()["expires_in"] as? Int == 60)
    }

    @Test func `a verified log says so, with its size and root`() async throws {
        let place = try await Workplace.withVault()
        let verdict = try await place.run(["audit", "verify", "--json"])
        #expect(verdict.status == 0)
        #expect(try verdict.object()["ok"] as? Bool == true)
        #expect(try (verdict.object()["size"] as? Int ?? 0) >= 3)
        #expect(try (verdict.object()["root"] as? String)?.count == 64)
    }

    @Test func `every list prints one object a line`() async throws {
        let place = try await Workplace.withVault()
        for name in ["alice", "bob", "carol"] { _ = try await place.run(["user", "add", name]) }
        let list = try await place.run(["user", "list", "--json"])
        let names = try list.outputLines.map { try Ending.object($0)["user"] as? String }
        #expect(names == ["alice", "bob", "carol"])
        let log = try await place.run(["audit", "list", "--json"])
        let indices = try log.outputLines.map { try Ending.object($0)["index"] as? Int }
        #expect(indices == Array(0..<indices.count))
    }

    @Test func `options win over the environment`() async throws {
        let place = try await Workplace.withVault()
        _ = try await place.run(["user", "add", "alice"])
        let listed = try await place.run(
            ["user", "list", "--vault", "V", "--key-file", "K", "--json"],
            environment: ["TOKENVAULT_PATH": "nowhere", "TOKENVAULT_KEY_FILE": "nothing"])
        #expect(listed.outputLines.count == 1)
    }

    @Test func `every command explains itself with an example`() async throws {
        let place = try Workplace()
        let all = try await place.commands()
        let commands = all.filter { words in
            !all.contains { $0.count > words.count && $0.starts(with: words) }
        }
        #expect(commands.count > 60)
        for words in commands {
            let command = words.joined(separator: " ")
            let help = try await place.run(words + ["--help"])
            #expect(help.status == 0 && help.complaints.isEmpty, "\(command)")
            #expect(help.output.contains("\n  tokenvault \(command)"), "\(command) has no example")
            #expect(help.output.contains("OVERVIEW: "), "\(command) has no abstract")
            let examples = help.output.split(separator: "\nUSAGE: ")[0].split(separator: "Example").last ?? ""
            let isWhole = examples.split(separator: "\n").dropFirst().allSatisfy { $0.hasPrefix("  ") }
            #expect(isWhole, "\(command): an example is broken at 80 columns")
            let titles = help.output.matches(of: /^[A-Z][^\n]*:$/.anchorsMatchLineEndings()).map { $0.output }
            if let key = titles.firstIndex(where: { $0.hasPrefix("KEY (") }) {
                #expect(
                    titles.firstIndex(of: "OPTIONS:").map { $0 < key } == true,
                    "\(command): own options first")
            }
        }
    }

    @Test func `the help of the program has its tables whole and its commands in groups`() async throws {
        let help = try await Workplace().run(["help"])
        #expect(help.output.contains("\n  0 done             5 locked         10 confirmation required\n"))
        for group in ["VAULT", "ISSUER", "KEEPER", "AUDIT", "HELP"] {
            #expect(help.output.contains("\n\n\(group) SUBCOMMANDS:\n  "), "\(group)")
        }
        #expect(help.outputLines.allSatisfy { $0.count < 80 })
    }
}
