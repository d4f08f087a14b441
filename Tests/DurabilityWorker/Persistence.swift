import Foundation
import TestSupport
import TokenRotation
import TokenVault
import VaultCore
import VaultCrypto

/// The worker that outlives its store's failovers.
extension VaultWorker {
    /// Makes grants and redeems their codes: one line `begun GRANT GENERATION TOKEN` for each.
    static func begin(_ place: String, _ source: KeySource, _ name: String, _ count: Int) async throws {
        let vault = try await open(place, source)
        let client = try await vault.clients.find(name)
        guard let scope = ScopeSet(parsing: "basic") else { exit(2) }
        for _ in 0..<count {
            let code = try await vault.authorize(
                Authorization(client: name, user: "alice", scope: scope, redirectURI: nil)
            ).code
            let request = ExchangeRequest(
                kind: .authorizationCode, credential: code, client: client, channel: .library)
            guard case .issued(let tokens) = try await vault.exchange(request) else { exit(4) }
            _ = Chain.tell("begun", tokens)
        }
        await vault.close()
    }

    /// Swaps chains until standard input ends, and says what happens as a worker with a limit does.
    ///
    /// Each caller takes its chains in turn. An error is no reason to give up, a refusal is.
    static func persist(
        _ place: String, _ source: KeySource, _ name: String, _ callers: Int
    ) async throws {
        let chains = readChains()
        let vault = try await open(place, source)
        let client = try await vault.clients.find(name)
        say("ready")
        await withTaskGroup { group in
            for first in 0..<min(callers, chains.count) {
                let own = stride(from: first, to: chains.count, by: callers).map { chains[$0] }
                group.addTask { await persist(own, vault, client) }
            }
            await endOfInput()
            group.cancelAll()
        }
        say("swapped")
        await vault.close()
        say("done")
    }

    private static func persist(_ chains: [Chain], _ vault: Vault, _ client: Client) async {
        var chains = chains
        var turn = 0
        while !Task.isCancelled {
            // Not a child of ours, or what ends us would end a swap in the middle.
            let chain = chains[turn]
            let step = Task { await chain.attempt(chain.token, vault, client) }
            switch await step.value {
            case .next(let successor):
                chains[turn].token = successor
                turn = (turn + 1) % chains.count
            case .again: try? await Waiting.pass(.milliseconds(50))
            // There is nothing more to present.
            case .over: return
            }
        }
    }

    private static func endOfInput() async {
        await withCheckedContinuation { continuation in
            Thread {
                while readLine() != nil {}
                continuation.resume()
            }.start()
        }
    }
}
