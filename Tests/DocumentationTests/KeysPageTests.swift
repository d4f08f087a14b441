import Foundation
import Testing

@Suite struct `What docs/keys.md shows works` {
    @Test func `its blocks run one after the other, the drill included`() throws {
        let page = try Place.text("docs/keys.md")
        let blocks = page.matches(of: /```console\n((?s).*?)```/).map { $0.1 }
        #expect(blocks.count == 5)
        let commands = blocks.flatMap { $0.split(separator: "\n") }.filter { $0.hasPrefix("$ ") }
            .map { $0.dropFirst(2) }
        #expect(commands.count >= 15)
        let session = try bash(commands.joined(separator: "\n"))
        #expect(session.status == 0, "\(session.output)")
        #expect(session.output.contains("log:      intact"), "\(session.output)")
        #expect(session.output.components(separatedBy: "no recovery key yet").count > 1)
    }
}
