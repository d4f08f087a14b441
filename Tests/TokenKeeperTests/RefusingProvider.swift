import Foundation
import Synchronization
import TokenKeeper
import TokenVault
import VaultCore

/// A token endpoint that answers each refresh token as a test says.
final class RefusingProvider: ProviderTransport {
    typealias Reply = (status: Int, body: String)

    private let state = Mutex<(answers: [String: Reply], calls: [String])>(([:], []))

    /// Refresh tokens that came, in order.
    var calls: [String] { state.withLock { $0.calls } }

    /// Answers a refresh token so from here on; nil: with tokens again.
    func answer(_ token: String, _ status: Int, _ body: String) {
        state.withLock { $0.answers[token] = (status, body) }
    }

    /// Tokens again, for all.
    func relent() { state.withLock { $0.answers = [:] } }

    func send(_ request: ProviderRequest) async throws(TransportFailure) -> ProviderReply {
        let form = request.body?.withExposed { String(decoding: $0, as: UTF8.self) } ?? ""
        let token = form.split(separator: "&").first { $0.hasPrefix("refresh_token=") }
            .map { String($0.dropFirst("refresh_token=".count)) }
        let reply = state.withLock { state -> Reply in
            let token = token ?? ""
            state.calls.append(token)
            // The same token stays good: it names its connection.
            return state.answers[token]
                ?? (
                    200,
                    #"{"access_token":"at-\#(state.calls.count)","token_type":"Bearer","expires_in":3600}"#
                )
        }
        return ProviderReply(status: reply.status, body: SecretBytes(copying: reply.body))
    }
}

/// A vault and a keeper before a ``RefusingProvider``.
final class RefusalBench: Sendable {
    static let unnamed: RefusingProvider.Reply = (401, #"{"message":"Invalid refresh token"}"#)
    static let named: RefusingProvider.Reply = (401, #"{"error":"invalid_client"}"#)
    static let request: RefusingProvider.Reply = (
        400, #"{"error":"invalid_request","error_description":"refresh token is unknown"}"#
    )

    let bench: KeeperBench
    let provider = RefusingProvider()
    let keeper: TokenKeeper

    init(_ yaml: String = KeeperBench.standardEntry) async throws {
        bench = try await KeeperBench(yaml)
        var configuration = KeeperConfiguration()
        configuration.pause = { [clock = bench.clock] in clock.advance($0) }
        keeper = TokenKeeper(vault: bench.vault, transport: provider, configuration: configuration)
    }

    var clock: KeeperClock { bench.clock }
    var state: ProviderState { get async throws { try await keeper.configuredProvider("standard").state } }

    /// A connection whose refresh token is its label; its access token is over.
    @discardableResult
    func connect(_ label: String) async throws -> ConnectionID {
        try await keeper.import(
            ImportedTokens(accessToken: nil, refreshToken: SecretBytes(copying: label)), provider: "standard",
            user: bench.user.id, label: label
        ).id
    }

    func refuse(_ label: String, _ reply: RefusingProvider.Reply) {
        provider.answer(label, reply.status, reply.body)
    }

    func connection(_ id: ConnectionID) async throws -> Connection { try await keeper.vault.connection(id) }

    /// Events of a connection or, without one, of the provider, as `kind reason`.
    func events(_ id: ConnectionID? = nil) async throws -> [String] {
        try await keeper.eventPage(from: 0, limit: 1000).events.filter { $0.connection == id }
            .map { $0.kind.rawValue + ($0.reason.map { " " + $0 } ?? "") }
    }

    /// Runs the service until `condition` holds, for so many seconds at most.
    func serve(seconds: Double = 20, until condition: () async throws -> Bool) async throws -> Bool {
        var configuration = KeeperServiceConfiguration()
        configuration.interval = .milliseconds(10)
        let service = Task { [configuration] in
            try await KeeperService(keeper, configuration: configuration).run()
        }
        let deadline = ContinuousClock.now + .seconds(seconds)
        var holds = try await condition()
        while !holds, ContinuousClock.now < deadline {
            await Task.yield()
            holds = try await condition()
        }
        service.cancel()
        _ = try? await service.value
        return holds
    }
}

extension AccessTokenAnswer {
    var word: String {
        switch self {
        case .ready: "ready"
        case .needsConsent(let need): "needs-consent \(need.reason.rawValue)"
        case .unavailable(_, let reason): "unavailable \(reason.rawValue)"
        }
    }
}
