import AsyncHTTPClient
import NIOCore
import ProviderHTTP
import Synchronization
import TokenKeeper
import VaultCore

/// A connection as a client sees it: generations that follow each other, and how often a refresh was forced.
final class TokenList: AccessTokenSource {
    private struct State {
        var generation: Int64 = 1
        var forced = 0
        var answer: AccessTokenAnswer?
    }

    private let state = Mutex(State())
    private let placement: Provider.AccessTokenPlacement

    init(_ placement: Provider.AccessTokenPlacement = .bearer) { self.placement = placement }

    var forced: Int { state.withLock { $0.forced } }

    /// Somebody else refreshes.
    func moveOn() { state.withLock { $0.generation += 1 } }

    /// From now on, instead of a token.
    func answer(_ answer: AccessTokenAnswer) { state.withLock { $0.answer = answer } }

    func accessToken(validFor span: Duration) async -> AccessTokenAnswer { current(state.withLock { $0 }) }

    func replacement(for refused: Int64, validFor span: Duration) async -> AccessTokenAnswer {
        current(
            state.withLock { state in
                if state.generation == refused, state.answer == nil {
                    state.generation += 1
                    state.forced += 1
                }
                return state
            })
    }

    private func current(_ state: State) -> AccessTokenAnswer {
        state.answer
            ?? .ready(
                HeldAccessToken(
                    SecretBytes(copying: "planted-\(state.generation)"), generation: state.generation,
                    placement: placement))
    }
}

extension ProviderClient {
    /// A client of its own pool, for one test.
    @discardableResult
    static func with<Result>(
        _ tokens: TokenList, origins: [String] = [],
        _ body: (ProviderClient) async throws -> Result
    ) async throws -> Result {
        let connections = try ProviderConnections()
        do {
            let result = try await body(ProviderClient(tokens, over: connections, origins: origins))
            await connections.shutdown()
            return result
        } catch {
            await connections.shutdown()
            throw error
        }
    }
}

extension HTTPClientResponse {
    func text() async throws -> String { String(buffer: try await body.collect(upTo: 1 << 20)) }
}
