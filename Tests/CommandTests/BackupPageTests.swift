import Foundation
import TestSupport
import Testing

/// What docs/backup.md shows, run line by line.
@Suite("docs/backup.md keeps up", .bounded)
struct BackupPageTests {
    private static let page = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "docs/backup.md")

    @Test func `a vault is backed up, lost, and restored as shown`() async throws {
        let place = try Workplace()
        let environment = ["TOKENVAULT_PATH": "vault", "TOKENVAULT_KEY_FILE": "vault.key"]
        let text = try String(contentsOf: Self.page, encoding: .utf8)
        let blocks = text.matches(of: /```console\n((?s).*?)```/).map { match in
            match.output.1.split(separator: "\n").filter { $0.hasPrefix("$ ") }.map {
                String($0.dropFirst(2))
            }
        }
        #expect(blocks.count == 2 && blocks.allSatisfy { $0.count == 3 })
        func perform(_ line: String) async throws {
            let ending = try await place.shell(line, environment: environment)
            #expect(ending.status == 0, "\(line): \(ending.complaints)")
        }
        try await perform("tokenvault init --create-key-file && tokenvault user add alice")
        for line in blocks[0] { try await perform(line) }
        try await perform("tokenvault user disable alice")
        for line in blocks[1] { try await perform(line) }
        let users = try await place.run(
            ["user", "list", "--vault", "vault.new", "--json"], environment: environment)
        #expect(users.output.contains("disabled"), "\(users.output)")
    }
}
