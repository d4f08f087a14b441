import Foundation
import TestSupport
import Testing

/// docs/operations.md says what there is: every metric, every setting, and an example that is accepted.
@Suite("docs/operations.md keeps up", .bounded)
struct OperationsPageTests {
    private static let page =
        (try? String(
            contentsOf: URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().deletingLastPathComponent().appending(
                    path: "docs/operations.md"),
            encoding: .utf8)) ?? ""

    @Test func `every metric is explained, and every one explained is there`() async throws {
        let place = try await Workplace.withVault()
        try await Certificates.made(in: place).install("first")
        let service = try await RunningService(
            in: place, Certificates.options + ["--admin-listen", "127.0.0.1:0"])
        let admin = try #require(service.admin)
        let metrics = try MetricsText(
            parsing: try await place.shell("curl --silent --fail \(admin)/metrics").output)
        #expect(await service.end(by: SIGTERM) == 0)
        // What a service of one's own sees by swift-metrics has names of its own.
        let page = try #require(Self.page.split(separator: "### In a service of your own").first)
        let explained = Set(
            page.split(separator: "\n").filter { $0.hasPrefix("| `") }.flatMap { row in
                row.split(separator: "|")[0].matches(of: /`((?:tokenvault|process)_[a-z_]+)`/).map {
                    String($0.1)
                }
            })
        #expect(explained == Set(metrics.types.keys))
        #expect(explained.count > 15)
    }

    @Test func `every setting is explained, and the defaults are as it says`() async throws {
        let help = try await Workplace().run(["serve", "--help"])
        let flags = Set(
            help.output.matches(of: /^  --([a-z-]+)/.anchorsMatchLineEndings()).map { String($0.1) })
        let explained = Set(
            Self.page.split(separator: "\n").filter { $0.hasPrefix("| `") }.flatMap { row in
                row.split(separator: "|")[0].matches(of: /`([a-z-]+)`/).map { String($0.1) }
            })
        // Not settings: they say where settings are, what to do with them, or come from one place only.
        let others: Set = [
            "config", "check-config", "json", "help", "version", "passphrase-fd", "no-trusted-proxy",
            "no-legacy-get", "no-client-documents", "passphrase-prompt", "key-fd", "recovery-file",
            "ignore-anchors",
        ]
        #expect(flags.subtracting(others).subtracting(explained).isEmpty, "\(flags.subtracting(others))")
        #expect(explained.subtracting(flags).isEmpty, "\(explained.subtracting(flags))")
        let defaults = try await Workplace().run(["serve", "--check-config", "--json"])
        for line in defaults.outputLines {
            let setting = try Ending.object(line)
            guard setting["source"] as? String == "default", let name = setting["setting"] as? String,
                let value = setting["value"] as? String
            else { continue }
            let row = Self.page.split(separator: "\n").first { $0.hasPrefix("| `\(name)`") }
            #expect(row?.split(separator: "|")[1].contains(value) == true, "\(name): \(value)")
        }
    }

    @Test func `the settings it shows are accepted`() async throws {
        let match = try #require(Self.page.firstMatch(of: /```json [^\n]+\n(\{\n(?s:.*?)\n\})\n```/))
        let place = try Workplace()
        try await Certificates.made(in: place).install("first")
        try place.write(
            String(match.1).replacing("/etc/tokenvault/tls/fullchain.pem", with: "live.pem")
                .replacing("/etc/tokenvault/tls/privkey.pem", with: "live.key"), to: "serve.json")
        let checked = try await place.run(["serve", "--config", "serve.json", "--check-config"])
        #expect(checked.status == 0, "\(checked.complaints)")
        #expect(checked.output.contains("https://id.example:8443"))
    }

    @Test func `the line of the log it shows has the members of a real one`() async throws {
        let shown = try #require(Self.page.firstMatch(of: /\n(\{"time".*\})\n/))
        let place = try await Workplace.withVault()
        let service = try await RunningService(in: place, ["--log-format", "json"])
        _ = try await place.shell("curl --silent \(service.url)/health/live")
        #expect(await service.end(by: SIGTERM) == 0)
        let lines = try service.log().split(separator: "\n").map { try Ending.object(String($0)) }
        let real = try #require(lines.first { $0["message"] as? String == "request" })
        #expect(try Set(Ending.object(String(shown.1)).keys) == Set(real.keys))
    }
}
