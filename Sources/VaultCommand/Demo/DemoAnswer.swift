import Foundation
import VaultCore

/// What the token endpoint answered (RFC 6749 sections 5.1 and 5.2).
struct DemoAnswer: Sendable {
    let status: Int
    let accessToken: SecretBytes?
    let refreshToken: SecretBytes?
    /// `invalid_grant` and its kind; nil when tokens were given.
    let error: String?

    private struct Body: Decodable {
        let accessToken, refreshToken, error: String?
    }

    init(status: Int, body: [UInt8]) {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let members = try? decoder.decode(Body.self, from: Data(body))
        self.status = status
        accessToken = members?.accessToken.map { Secret(copying: $0) }
        refreshToken = members?.refreshToken.map { Secret(copying: $0) }
        error = members?.error
    }

    /// The pair, or the reason why the story cannot go on.
    func tokens() throws -> DemoTokens {
        guard status == 200, let accessToken, let refreshToken else {
            throw VaultError(
                .internalError,
                "The server answered \(status) \(Console.harmless(error ?? "")) instead of tokens.")
        }
        return DemoTokens(access: accessToken, refresh: refreshToken)
    }
}

/// A token pair in the client's hands.
struct DemoTokens: Sendable {
    let access: SecretBytes
    let refresh: SecretBytes

    func isSame(as other: DemoTokens) -> Bool {
        access.isSame(as: other.access) && refresh.isSame(as: other.refresh)
    }
}

extension SecretBytes {
    /// For a client that compares what it was given; nothing is decided by it.
    func isSame(as other: SecretBytes) -> Bool {
        withExposed { mine in other.withExposed { mine == $0 } }
    }

    /// Enough of a token to tell it from others, too little to use it.
    var glimpse: String { withExposed { String(decoding: $0.prefix(11), as: UTF8.self) + "…" } }
}
