import Foundation
import TestSupport
import Testing

/// docs/audit-log.md shows a session, and names what there is.
@Suite("docs/audit-log.md keeps up", .bounded)
struct AuditLogPageTests {
    private static let page =
        (try? String(
            contentsOf: URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().appending(path: "docs/audit-log.md"), encoding: .utf8)) ?? ""

    @Test func `its session goes as shown`() async throws {
        let block = try #require(Self.page.firstMatch(of: /```console\n((?s).*?)```/)).1
        let lines = block.split(separator: "\n")
        let commands = lines.filter { $0.hasPrefix("$ ") }.map { $0.dropFirst(2) }
        #expect(commands.count >= 12)
        let ending = try await Workplace().shell("set -e\n" + commands.joined(separator: "\n"))
        #expect(ending.status == 0, "\(ending.complaints)")
        #expect(ending.outputLines == lines.filter { !$0.hasPrefix("$ ") }.map(String.init))
    }

    @Test func `its table of OCSF classes is the one that is exported`() async throws {
        let place = try await Workplace.withVault()
        _ = try await place.shell(
            "tokenvault user add a; tokenvault user disable a; tokenvault user remove a --confirm a")
        let events = try await place.run(["audit", "export", "--format", "ocsf"]).outputLines
        for line in events {
            let event = try Ending.object(line)
            let operation = try #require((event["metadata"] as? [String: Any])?["event_code"] as? String)
            let row = try #require(
                Self.page.split(separator: "\n").first { $0.contains("`\(operation)`") && $0.hasPrefix("|") })
            #expect(row.contains("| \(try #require(event["activity_id"] as? Int))"), "\(operation): \(row)")
        }
        #expect(events.count >= 5)
    }
}
