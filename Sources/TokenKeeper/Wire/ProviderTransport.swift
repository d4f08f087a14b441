import Foundation
public import VaultCore

/// Carries one request to a provider and brings its answer: no redirects, no retries, a bounded reply.
/// `ProviderHTTP` is the real one; tests put a scripted server in its place.
public protocol ProviderTransport: Sendable {
    /// Sends once.
    ///
    /// - Throws: whether the request may have reached the provider, which is all that recovery needs to know.
    func send(_ request: ProviderRequest) async throws(TransportFailure) -> ProviderReply
}

/// A request to a provider.
public struct ProviderRequest: Sendable {
    public enum Method: String, Sendable, CaseIterable {
        case get = "GET"
        case post = "POST"
    }

    /// The purpose of the request.
    public enum Purpose: String, Sendable {
        case codeExchange = "code"
        case refresh
        case clientCredentials = "client-credentials"
        case revocation
        case deviceAuthorization = "device"
        case deviceToken = "device-token"
        case discovery
        /// A message to a webhook, which is not a provider.
        case webhook
        /// A checkpoint for a witness, which is not a provider either.
        case witness
        /// A call of the API itself, with an access token.
        case api
    }

    public var purpose: Purpose
    public var method: Method
    /// The URL without secrets.
    public var url: String
    /// The form-encoded query, which follows `?` or `&` of the URL.
    public var query: SecretBytes?
    public var headers: [(name: String, value: SecretBytes)]
    public var body: SecretBytes?
    /// The time until the last byte of the answer.
    public var timeout: Duration

    public init(
        _ purpose: Purpose, _ method: Method, _ url: String, query: SecretBytes? = nil,
        headers: [(name: String, value: SecretBytes)] = [], body: SecretBytes? = nil,
        timeout: Duration = .seconds(30)
    ) {
        self.purpose = purpose
        self.method = method
        self.url = url
        self.query = query
        self.headers = headers
        self.body = body
        self.timeout = timeout
    }
}

/// The complete answer of a provider.
public struct ProviderReply: Sendable {
    public var status: Int
    /// The headers, names in lower case; the first value of a repeated name.
    public var headers: [String: String]
    /// The body of the answer, at most ``Limits/sealedReplyBytes``.
    public var body: SecretBytes

    public init(status: Int, headers: [String: String] = [:], body: SecretBytes) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// There was no answer, or no complete one.
public enum TransportFailure: Error, Sendable, Equatable {
    /// No byte of the request was sent: it may be sent again under every policy.
    case notSent(Cause)
    /// The provider may have acted on it.
    case ambiguous(Cause)

    /// The cause in our own words: the text of a library may quote the request.
    public enum Cause: String, Sendable {
        case invalidURL = "invalid-url"
        case nameLookup = "name-lookup"
        case connect
        case tls
        case timeout
        case reset
        case truncated
        case tooLarge = "too-large"
        case shutdown
        case other
    }

    public var cause: Cause {
        switch self {
        case .notSent(let cause), .ambiguous(let cause): cause
        }
    }

    /// Why nothing came from `url`, as an operator reads it who gave that URL: with the host name that has no address.
    package func reason(at url: String) -> String {
        guard cause == .nameLookup, let host = URLComponents(string: url)?.host else { return cause.rawValue }
        return "the host name \(host) has no address"
    }
}
