import Foundation
import TestSupport
import Testing

/// docs/audit-log.md shows a session.
@Suite("docs/audit-log.md keeps up")
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
}
