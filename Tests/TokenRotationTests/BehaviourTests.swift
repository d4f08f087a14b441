import Foundation
import TestSupport
import Testing
import VaultCore

/// What clients and thieves were seen to do, under each policy: the table in docs/rotation.md is what this prints.
@Suite("Promise P4: recorded behaviours under each policy", .bounded)
struct BehaviourTests {
    private static let policies: [RefreshTokenRotation] = [
        .strict, .untilFirstUse(cap: .seconds(86400)), .untilFirstUse(cap: .seconds(30 * 86400)),
        .staleTolerant(generations: 1000, cap: .seconds(30 * 86400)),
    ]

    private typealias Run = @Sendable (inout Behaviour) -> String

    private static let rows: [(String, Run)] = [
        ("two machines, each refreshes hourly for a month", honest { $0.takeTurns(2, everyMinutes: 30) }),
        ("three processes, in turn every 50 minutes", honest { $0.takeTurns(3, everyMinutes: 50) }),
        ("a process comes back with a token three generations old", honest { $0.comeBack(after: 3) }),
        ("the answer is lost, and the same token comes at once", honest { $0.repeatLost(afterMinutes: 0) }),
        ("… two hours later", honest { $0.repeatLost(afterMinutes: 120) }),
        ("… four days later", honest { $0.repeatLost(afterMinutes: 4 * 1440) }),
        (
            "… two hours later, by a hundred at once",
            honest { $0.repeatLost(afterMinutes: 120, processes: 100) }
        ),
        ("the first token for ever, hourly", honest { $0.neverKeep() }),
        ("a thief faster than the client, once", theft { $0.steal(usingAfter: 10, goesOn: false) }),
        ("a thief faster than the client, for ever", theft { $0.steal(usingAfter: 10, goesOn: true) }),
        ("a thief slower than the client, for ever", theft { $0.steal(usingAfter: 100, goesOn: true) }),
        ("a thief two days later, for ever", theft { $0.steal(usingAfter: 2 * 1440, goesOn: true) }),
    ]

    private static func honest(_ run: @escaping @Sendable (inout Behaviour) -> Int?) -> Run {
        { behaviour in run(&behaviour).map { "signed out after \(span($0))" } ?? "works" }
    }

    private static func theft(_ run: @escaping @Sendable (inout Behaviour) -> (thief: Int, client: Int?))
        -> Run
    {
        { behaviour in
            let (thief, client) = run(&behaviour)
            return "thief: \(span(thief))" + (client == nil ? "" : "; signed out")
        }
    }

    private static func span(_ minutes: Int) -> String {
        if minutes >= 2 * 1440 { return "\(minutes / 1440) d" }
        return minutes >= 120 ? "\(minutes / 60) h" : "\(minutes) min"
    }

    @Test func `the matrix is that of the docs, and no behaviour leads to two winners`() throws {
        var lines = [
            "| | " + Self.policies.map { "`\($0)`" }.joined(separator: " | ") + " |", "|---|---|---|---|---|",
        ]
        for (name, run) in Self.rows {
            let cells = Self.policies.map { policy in
                var behaviour = Behaviour(policy)
                let outcome = run(&behaviour)
                return behaviour.hasTwoWinners ? "two winners" : outcome
            }
            lines.append("| \(name) | " + cells.joined(separator: " | ") + " |")
        }
        let table = lines.joined(separator: "\n")
        #expect(!table.contains("two winners"))
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
        let page = try String(contentsOf: root.appending(path: "docs/rotation.md"), encoding: .utf8)
        #expect(page.contains(table), "docs/rotation.md should have:\n\(table)")
    }
}
