import Foundation
import Testing
import TokenRotation
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto

/// For each grant the last token pair that somebody was told of: what no failure may lose.
struct Chains: Sendable {
    struct Link: Sendable, Equatable {
        var generation: UInt32
        var token: String
    }

    var last: [Int64: Link] = [:]

    /// Takes a worker's word for a swap, and says what the line was.
    mutating func note(_ line: String) -> WorkerLine {
        let words = line.split(separator: " ").map(String.init)
        switch (words.first, words.count) {
        case ("ack", 4), ("replay", 4):
            guard let grant = Int64(words[1]), let generation = UInt32(words[2]) else { return .other(line) }
            last[grant] = Link(generation: generation, token: words[3])
            return words[0] == "ack" ? .acknowledged(grant) : .replayed(grant)
        case ("fail", 3): return .failed(Int64(words[1]) ?? 0, words[2])
        case ("ready", 1): return .ready
        default: return .other(line)
        }
    }

    /// Fresh grants, redeemed.
    static func begin(_ count: Int, in vault: Vault, scope: String = "basic") async throws -> Chains {
        let client = try await vault.clients.find(Rig.client)
        var chains = Chains()
        try await withThrowingTaskGroup { group in
            for _ in 0..<count {
                group.addTask {
                    let scope = try #require(ScopeSet(parsing: scope))
                    let code = try await vault.authorize(
                        Authorization(client: Rig.client, user: "alice", scope: scope, redirectURI: nil)
                    ).code
                    let request = ExchangeRequest(
                        kind: .authorizationCode, credential: code, client: client, channel: .library)
                    return try #require(await vault.exchange(request).issued)
                }
            }
            for try await tokens in group { chains.note(tokens) }
        }
        return chains
    }

    /// What every client does after a failure: presents the last token it was told of.
    ///
    /// That must be answered by its successor, and once more by the same. Afterwards that is the last token it was told
    /// of.
    mutating func resume(in vault: Vault) async throws {
        let client = try await vault.clients.find(Rig.client)
        let found = try await withThrowingTaskGroup { group in
            for (grant, link) in last {
                group.addTask {
                    let first = try await vault.refresh(link.token, client)
                    let next = try #require(
                        first.issued ?? first.replayed,
                        "grant \(grant), acknowledged at \(link.generation): \(first)")
                    #expect(next.generation == link.generation + 1, "grant \(grant)")
                    let again = try #require(await vault.refresh(link.token, client).replayed)
                    #expect(again.text == next.text, "grant \(grant): another successor")
                    return next
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        for tokens in found { note(tokens) }
    }

    private mutating func note(_ tokens: IssuedTokens) {
        last[tokens.grant.rawValue] = Link(generation: tokens.generation, token: tokens.text)
    }
}

/// What a worker says.
enum WorkerLine: Equatable {
    case ready
    case acknowledged(Int64)
    case replayed(Int64)
    case failed(Int64, String)
    case other(String)
}

extension Vault {
    /// A refresh as the client of the rig does it.
    func refresh(_ token: String, _ client: Client) async throws -> ExchangeResult {
        try await exchange(
            ExchangeRequest(
                kind: .refreshToken, credential: Secret(copying: token), client: client, channel: .library))
    }

    func expectIntactLog(_ comment: String = "") async throws {
        let report = try await log.verify()
        #expect(report.isIntact, "\(comment) \(report.findings)")
    }
}
