import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultCore
import VaultCrypto

extension Durability {
    @Suite(.serialized)
    struct `P8: a refresh killed at any point loses nothing that the provider lets be saved` {
        private static let policies: [Provider.ReplayPolicy] = [
            .tolerated, .within(.seconds(600)), .untilFirstUse(nil), .rejected, .revokes,
        ]

        /// `make crash-matrix` writes the table that this compares.
        @Test func `each point under each policy ends as the table in the documentation says`() async throws {
            try await Self.compare(on: .file)
        }

        /// One process is killed, another goes on: they share nothing but the server.
        @Test(.withServer) func `the same on PostgreSQL, where another process goes on`() async throws {
            try await Self.compare(on: .postgres)
        }

        private static func compare(on ground: Ground) async throws {
            let points = CrashPoint.all(on: ground)
            let columns = try await withThrowingTaskGroup(of: (Int, [Recovery]).self) { group in
                for (index, policy) in Self.policies.enumerated() {
                    group.addTask { (index, try await Self.column(policy, on: ground, points)) }
                }
                return try await group.reduce(into: [[Recovery]](repeating: [], count: Self.policies.count)) {
                    $0[$1.0] = $1.1
                }
            }
            let table = Self.table(columns, points)
            print(table)
            if ProcessInfo.processInfo.environment["TOKENVAULT_REGENERATE_MATRIX"] == "1" {
                try DocumentedTable.write(table, of: ground)
            }
            #expect(
                try DocumentedTable.read(of: ground) == table,
                "run 'make crash-matrix' and look at what changed")
        }

        private static func column(
            _ policy: Provider.ReplayPolicy, on ground: Ground, _ points: [CrashPoint]
        ) async throws -> [Recovery] {
            let rig = try await KeeperRig(policy, on: ground, connections: points.count)
            // On a file the next process begins with what the one that was killed left in the WAL.
            let early = ground == .postgres ? try await OtherWorker(rig) : nil
            let refreshes = points.enumerated().map { index, point in
                KilledRefresh(rig: rig, point: point, connection: rig.connections[index], family: index)
            }
            var handedOut: [String?] = []
            for refresh in refreshes { handedOut.append(try await refresh.kill()) }
            let other: OtherWorker
            if let early { other = early } else { other = try await OtherWorker(rig) }
            let vault = try await rig.open()
            var column: [Recovery] = []
            for (index, point) in points.enumerated() {
                let recovery = try await refreshes[index].recover(by: other, vault, handedOut[index])
                #expect(recovery == point.expected(policy), "\(policy), \(point.name)")
                let family = rig.provider.families[index]
                switch policy {
                case .revokes: #expect(family.replays == 0 && !family.isRevoked, "\(point.name)")
                case .rejected: #expect(family.redemptions.allSatisfy { $0 <= 1 }, "\(point.name)")
                default: break
                }
                column.append(recovery)
            }
            #expect(
                rig.provider.reuseAlarms
                    == (policy == .rejected ? column.count { $0 == .consent(asked: true) } : 0))
            await other.end()
            try await vault.expectIntactLog("\(policy)")
            await vault.close()
            try await rig.server.shutdown()
            return column
        }

        private static func table(_ columns: [[Recovery]], _ points: [CrashPoint]) -> String {
            var lines = ["| killed at | " + policies.map { "`\($0.word)`" }.joined(separator: " | ") + " |"]
            lines.append("|---|" + policies.map { _ in "---|" }.joined())
            for (row, point) in points.enumerated() {
                lines.append("| \(point.name) | " + columns.map(\.[row].text).joined(separator: " | ") + " |")
            }
            return lines.joined(separator: "\n")
        }
    }
}

/// The table between its marks in docs/keeper.md, or in a file of its own.
private enum DocumentedTable {
    private static func begin(_ ground: Ground) -> String {
        ground == .file ? "<!-- crash matrix -->\n" : "<!-- crash matrix on PostgreSQL -->\n"
    }
    private static let end = "\n<!-- end of crash matrix -->"
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "docs")

    static func read(of ground: Ground) throws -> String {
        let (_, text, range) = try find(ground)
        return String(text[range])
    }

    static func write(_ table: String, of ground: Ground) throws {
        var (file, text, range) = try find(ground)
        text.replaceSubrange(range, with: table)
        try text.write(to: file, atomically: true, encoding: .utf8)
    }

    private static func find(_ ground: Ground) throws -> (URL, String, Range<String.Index>) {
        for name in ["keeper.md", "keeper-crash-matrix.md"] {
            let file = folder.appending(path: name)
            guard let text = try? String(contentsOf: file, encoding: .utf8),
                let start = text.range(of: begin(ground)),
                let stop = text.range(of: end, range: start.upperBound..<text.endIndex)
            else { continue }
            return (file, text, start.upperBound..<stop.lowerBound)
        }
        throw VaultError(.notFound, "No file of docs/ has the marks of the crash matrix.")
    }
}
