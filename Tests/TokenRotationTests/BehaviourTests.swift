import Foundation
import TestSupport
import Testing
import VaultCore

/// One row of `Tests/RotationMatrix/behaviours.json`, which `make rotation-matrix` runs over HTTP.
private struct RecordedBehaviour: Decodable {
    enum Kind: String, Decodable {
        case takeTurns, comeBack, repeatLost, refreshAtOnce, neverKeep, steal
    }

    let name: String
    let does: Kind
    let with: [String: Int]
    /// The one that is made for an honest client of this kind; nil: a theft.
    let policy: String?

    func outcome(under policy: RefreshTokenRotation) throws -> String {
        var behaviour = Behaviour(policy)
        let outcome = try run(&behaviour)
        return behaviour.hasTwoWinners ? "two winners" : outcome
    }

    private func run(_ behaviour: inout Behaviour) throws -> String {
        let signedOut: Int?
        switch does {
        case .takeTurns:
            signedOut = try behaviour.takeTurns(number("machines"), everyMinutes: number("everyMinutes"))
        case .comeBack:
            signedOut = try behaviour.comeBack(after: number("after"), everyMinutes: number("everyMinutes"))
        case .repeatLost:
            signedOut = try behaviour.repeatLost(
                afterMinutes: number("afterMinutes"), processes: number("processes"))
        case .refreshAtOnce:
            signedOut = try behaviour.refreshAtOnce(processes: number("processes"))
        case .neverKeep:
            signedOut = try behaviour.neverKeep(everyMinutes: number("everyMinutes"))
        case .steal:
            let (thief, isClientOut) = try behaviour.steal(
                usingAfter: number("afterMinutes"), goesOn: number("goesOn") == 1)
            return "thief: \(Self.span(thief))" + (isClientOut ? "; signed out" : "")
        }
        return signedOut.map { "signed out after \(Self.span($0))" } ?? "works"
    }

    private func number(_ key: String) throws -> Int { try #require(with[key], "\(name)") }

    private static func span(_ minutes: Int) -> String {
        if minutes >= 2 * 1440 { return "\(minutes / 1440) d" }
        return minutes >= 120 ? "\(minutes / 60) h" : "\(minutes) min"
    }
}

/// What clients and thieves were seen to do, under each policy: the first columns of the table in docs/rotation.md.
@Suite("Promise P4: recorded behaviours under each policy", .bounded)
struct BehaviourTests {
    private static let policies: [RefreshTokenRotation] = [
        .strict, .untilFirstUse(cap: .seconds(86400)), .untilFirstUse(cap: .seconds(30 * 86400)),
        .staleTolerant(generations: 1000, cap: .seconds(30 * 86400)),
    ]
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")

    private static func behaviours() throws -> [RecordedBehaviour] {
        let file = root.appending(path: "Tests/RotationMatrix/behaviours.json")
        return try JSONDecoder().decode([RecordedBehaviour].self, from: Data(contentsOf: file))
    }

    @Test func `an honest client works under the policy made for it, and no behaviour leads to two winners`()
        throws
    {
        for behaviour in try Self.behaviours() {
            for policy in Self.policies {
                let outcome = try behaviour.outcome(under: policy)
                #expect(outcome != "two winners", "\(behaviour.name), \(policy)")
                if behaviour.policy == "\(policy)" { #expect(outcome == "works", "\(behaviour.name)") }
            }
            let isKnown = Self.policies.contains { behaviour.policy == "\($0)" }
            #expect(isKnown != (behaviour.does == .steal), "\(behaviour.name)")
        }
    }

    @Test func `what the docs say of our policies is what the rules give`() throws {
        let page = try String(contentsOf: Self.root.appending(path: "docs/rotation.md"), encoding: .utf8)
        let head = "\n| | " + Self.policies.map { "`\($0)`" }.joined(separator: " | ") + " |"
        let hasHead = page.contains(head)
        #expect(hasHead, "\(head)")
        for behaviour in try Self.behaviours() {
            let cells = try Self.policies.map { try behaviour.outcome(under: $0) }
            let row = "\n| \(behaviour.name) | " + cells.joined(separator: " | ") + " |"
            let hasRow = page.contains(row)
            #expect(hasRow, "the rules give \(row): run 'make rotation-matrix' and look at what changed")
        }
    }
}
