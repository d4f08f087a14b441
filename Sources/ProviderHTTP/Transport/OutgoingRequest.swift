import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import TokenKeeper
import VaultCore

/// A request in the library's words: here secrets leave their wrappers.
struct OutgoingRequest: Sendable {
    struct InvalidURL: Error {}

    let request: HTTPClientRequest

    /// - Parameter number: of ``Departures``.
    init(_ request: ProviderRequest, _ number: String) throws {
        var url = request.url
        if let query = request.query {
            url += url.contains("?") ? "&" : "?"
            url += query.withExposed { String(decoding: $0, as: UTF8.self) }
        }
        guard ProviderAddress(url) != nil else { throw InvalidURL() }
        var outgoing = HTTPClientRequest(url: url)
        outgoing.method = HTTPMethod(rawValue: request.method.rawValue)
        for (name, value) in request.headers {
            outgoing.headers.add(
                name: name, value: value.withExposed { String(decoding: $0, as: UTF8.self) })
        }
        // A small answer can unfold to gigabytes: none is asked for, and one that comes is unfolded within bounds.
        outgoing.headers.replaceOrAdd(name: "accept-encoding", value: "identity")
        outgoing.headers.replaceOrAdd(name: "connection", value: "close")
        // Some providers answer 403 to requests without.
        if !outgoing.headers.contains(name: "user-agent") {
            outgoing.headers.add(name: "user-agent", value: "TokenVault")
        }
        outgoing.headers.replaceOrAdd(name: Departures.header, value: number)
        if let body = request.body {
            outgoing.body = .bytes(body.withExposed { ByteBuffer(bytes: $0) })
        }
        self.request = outgoing
    }
}
