public import TokenKeeper
import VaultCore

/// A scripted server under a keeper of the same process: no sockets, no threads, no real time.
///
/// Takes the addresses of the provider's entry as they are, `{name}` standing for anything. What the client would see of a
/// fault is what it is told: a closed connection is ambiguous, for the request has left, whatever the server did with it.
public struct ScriptedTransport: ProviderTransport {
    public let provider: ScriptedProvider
    private let pause: @Sendable (Duration) async -> Void

    /// - Parameter pause: told of every wait, so that a clock of the test's own can pass it; by default nothing waits.
    public init(_ provider: ScriptedProvider, pause: @escaping @Sendable (Duration) async -> Void = { _ in })
    {
        self.provider = provider
        self.pause = pause
    }

    public func send(_ request: ProviderRequest) async throws(TransportFailure) -> ProviderReply {
        let exchange = plan(request)
        await pause(exchange.arrivesAfter)
        let answer = exchange.apply()
        await pause(answer.arrivesAfter)
        return try answer.outcome.get()
    }

    /// Decides what will become of a request, for a simulation that lets things happen in between.
    public func plan(_ request: ProviderRequest) -> PlannedExchange {
        guard let arriving = arriving(request) else {
            return PlannedExchange(refused: .notSent(.invalidURL), timeout: request.timeout)
        }
        return PlannedExchange(provider.plan(arriving), timeout: request.timeout)
    }

    /// The request as the server sees it; nil if the URL leads nowhere.
    private func arriving(_ request: ProviderRequest) -> ScriptedRequest? {
        let parts = request.url.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let place = parts.first.map(String.init), let path = localPath(of: place) else { return nil }
        var query = parts.count == 2 ? Array(parts[1].utf8) : []
        request.query?.withExposed { secret in
            if !query.isEmpty, !secret.isEmpty { query.append(UInt8(ascii: "&")) }
            query += secret
        }
        let headers = request.headers.map { header in
            (name: header.name, value: header.value.withExposed { String(decoding: $0, as: UTF8.self) })
        }
        let body = request.body?.withExposed { $0 } ?? []
        return ScriptedRequest(request.method.rawValue, path, query: query, headers: headers, body: body)
    }

    /// An address of the entry, or a path of the scripted server under any host.
    private func localPath(of place: String) -> String? {
        for endpoint in ScriptedEndpoint.allCases {
            let address = endpoint.address(in: provider.entry.endpoints)
            guard let pattern = address?.split(separator: "?").first else { continue }
            if AddressPattern(pattern).matches(place) { return endpoint.path }
        }
        guard let scheme = place.firstRange(of: "://") else { return nil }
        let rest = place[scheme.upperBound...]
        return rest.firstIndex(of: "/").map { String(rest[$0...]) } ?? "/"
    }
}
