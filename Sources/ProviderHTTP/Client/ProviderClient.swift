public import AsyncHTTPClient
public import NIOCore
import NIOHTTP1
public import TokenKeeper
public import VaultCore

/// Calls a provider's API with a token that is valid, put where the provider reads it.
///
/// ```swift
/// let response = try await client.execute(HTTPClientRequest(url: "https://api.example/v3/measurements"))
/// ```
///
/// Redirects are answers: a token follows none. A 401 that another token could help with is answered by one forced
/// refresh and one more call, if the request can be sent again. Whatever else comes is the caller's.
public struct ProviderClient: Sendable {
    /// The shortest remaining life of a token with which a call begins.
    public var validFor: Duration = .seconds(90)

    private let tokens: any AccessTokenSource
    private let connections: ProviderConnections
    private let origins: Set<String>

    /// - Parameters:
    ///   - origins: the only origins that may get the token (`https://api.example`); if empty, any origin.
    /// - Throws: ``ProviderClientError/insecureURL`` for a text that is not an origin.
    public init(
        _ tokens: some AccessTokenSource, over connections: ProviderConnections, origins: [String] = []
    ) throws(ProviderClientError) {
        self.tokens = tokens
        self.connections = connections
        var places: Set<String> = []
        for origin in origins {
            // A path would look as if the rest of the host were closed.
            guard let address = ProviderAddress(origin),
                !origin.drop(while: { $0 != ":" }).dropFirst(3).contains(where: { "/?".contains($0) })
            else { throw .insecureURL }
            places.insert(address.origin)
        }
        self.origins = places
    }

    /// Calls the API.
    ///
    /// - Parameters:
    ///   - request: without a token. A body inside of it may be a stream, which cannot be sent twice: such a call is
    ///     not repeated after a 401.
    ///   - body: instead of one in the request; a call with it can be repeated.
    ///   - timeout: until the head of the answer, refresh and second call included.
    /// - Returns: the answer, its body yet to be read; a second 401 too. It has no `history` and so no `url`.
    /// - Throws: ``ProviderClientError`` if there is no token for it, or none to follow one that was refused;
    ///   errors of the library, which quote no token, if no answer came.
    public func execute(
        _ request: HTTPClientRequest, body: ByteBuffer? = nil, timeout: Duration = .seconds(30)
    ) async throws -> HTTPClientResponse {
        guard let address = ProviderAddress(request.url) else { throw ProviderClientError.insecureURL }
        guard origins.isEmpty || origins.contains(address.origin) else {
            throw ProviderClientError.foreignOrigin
        }
        let isRepeatable = body != nil || request.body == nil
        var request = request
        if let body { request.body = .bytes(body) }
        let deadline = NIODeadline.now() + TimeAmount(timeout)

        let first = try ready(await tokens.accessToken(validFor: validFor))
        let response = try await call(request, first, body, deadline)
        guard response.status == .unauthorized, isRepeatable,
            BearerChallenge.asksForAnotherToken(response.headers["www-authenticate"])
        else { return response }

        let second = try ready(await tokens.replacement(for: first.generation, validFor: validFor))
        // The same token would be refused again.
        guard second.generation != first.generation else { return response }
        await discard(response)
        return try await call(request, second, body, deadline)
    }

    private func call(
        _ request: HTTPClientRequest, _ token: HeldAccessToken, _ body: ByteBuffer?, _ deadline: NIODeadline
    ) async throws -> HTTPClientResponse {
        var request = request
        let isForm = request.headers.first(name: "content-type")?.lowercased()
            .hasPrefix("application/x-www-form-urlencoded")
        let form = isForm == true ? body.map { String(buffer: $0)[...].utf8 } : nil
        try token.placement.attach(token.token, to: &request, form: form)
        var response = try await connections.client.execute(
            request, deadline: deadline, logger: ConnectionConfiguration.silence)
        // It holds the request with its token, and a response is printed easily.
        response.history = []
        return response
    }

    private func ready(_ answer: AccessTokenAnswer) throws(ProviderClientError) -> HeldAccessToken {
        switch answer {
        case .ready(let token): token
        case .needsConsent(let need): throw .needsConsent(reason: need.reason.rawValue)
        case .unavailable(let span, _): throw .unavailable(retryAfter: span)
        }
    }

    /// Reads the rest of a short answer, so that its connection can be used again; ends the connection of a long one.
    private func discard(_ response: HTTPClientResponse) async {
        try? await Deadline.run(within: .seconds(1)) {
            var left = 64 * 1024
            for try await part in response.body {
                left -= part.readableBytes
                if left < 0 { break }
            }
        }
    }
}

/// Where a ``ProviderClient`` gets its tokens: a keeper's connection, or a test's list. What a source throws
/// (no such connection, a vault that is closed) goes to the caller of the API as it is.
public protocol AccessTokenSource: Sendable {
    /// A token that is valid for at least `span`.
    func accessToken(validFor span: Duration) async throws -> AccessTokenAnswer

    /// The API refused the token of generation `refused`. One forced refresh, but only if that generation is
    /// still the current one; then the current token.
    func replacement(for refused: Int64, validFor span: Duration) async throws -> AccessTokenAnswer
}

extension TokenKeeper {
    /// Returns a client for a provider's API that sends this connection's token.
    ///
    /// ```swift
    /// let client = try keeper.client(for: connection.id, over: connections, origins: ["https://api.example"])
    /// let response = try await client.execute(HTTPClientRequest(url: "https://api.example/v3/measurements"))
    /// ```
    ///
    /// - Parameter origins: the only places the token may go to; empty: wherever requests go.
    /// - Throws: ``ProviderClientError/insecureURL`` for a text that is not an origin.
    public func client(
        for connection: ConnectionID, over connections: ProviderConnections, origins: [String] = []
    ) throws(ProviderClientError) -> ProviderClient {
        try ProviderClient(
            ConnectionTokens(keeper: self, connection: connection), over: connections, origins: origins)
    }
}

/// The tokens of one connection.
struct ConnectionTokens: AccessTokenSource {
    let keeper: TokenKeeper
    let connection: ConnectionID

    func accessToken(validFor span: Duration) async throws -> AccessTokenAnswer {
        try await keeper.accessToken(for: connection, validFor: span)
    }

    func replacement(for refused: Int64, validFor span: Duration) async throws -> AccessTokenAnswer {
        try await keeper.replacement(forRefused: refused, of: connection, validFor: span)
    }
}

/// The reason why a call of a provider's API was not made.
public enum ProviderClientError: Error, Sendable, Equatable {
    /// The connection needs its user's consent again, for this reason (for operators).
    case needsConsent(reason: String)
    /// There is no token now; a later call may get one.
    case unavailable(retryAfter: Duration)
    /// The request brings a token of its own, in a header, in the query or in a form.
    case tokenAlreadyPresent
    /// Neither `https` nor `http` to this machine, or with user information or a fragment.
    case insecureURL
    /// The URL is not one of the origins that may get the token.
    case foreignOrigin
    /// The token has characters that no header and no query can carry.
    case malformedToken
}

extension ProviderClientError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .needsConsent(let reason): "The user must connect again: \(reason)"
        case .unavailable(let span): "No token is to be had now; call again in \(span)."
        case .tokenAlreadyPresent:
            "The request already carries a token; leave it to the client, which sends it in one place."
        case .insecureURL: "Tokens go to https:// URLs, or to http:// on this machine; correct the URL."
        case .foreignOrigin:
            "The token may not be sent to this URL; name its origin when the client is made if it may."
        case .malformedToken: "The provider gave a token that cannot be sent; connect again or ask it why."
        }
    }
}

extension Provider.AccessTokenPlacement {
    /// Puts the token into the request, in the one place its provider reads. "Clients MUST NOT use more than
    /// one method to transmit the token in each request" (RFC 6750 section 2): a request that already has
    /// one, in any place and spelling, is refused rather than mended.
    ///
    /// - Parameter form: the body if it is a form.
    func attach(
        _ token: SecretBytes, to request: inout HTTPClientRequest, form: Substring.UTF8View? = nil
    ) throws(ProviderClientError) {
        let query = request.url.utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst()
        guard !request.headers.contains(name: "authorization"), !carriesToken(query),
            !(form.map { carriesToken($0[...]) } ?? false)
        else { throw .tokenAlreadyPresent }
        let text = try token.withExposed { bytes throws(ProviderClientError) in
            // RFC 6750 section 2.1 allows fewer characters, providers use more; a space or a line end would be read
            // as the end of the token.
            guard !bytes.isEmpty, bytes.allSatisfy({ 0x21...0x7e ~= $0 }) else { throw .malformedToken }
            return String(decoding: bytes, as: UTF8.self)
        }
        switch self {
        case .header(let scheme):
            request.headers.add(name: "authorization", value: scheme.isEmpty ? text : "\(scheme) \(text)")
        case .query(let parameter):
            request.url += request.url.contains("?") ? (query.isEmpty ? "" : "&") : "?"
            request.url += FormCoding.encode(parameter) + "=" + FormCoding.encode(text)
        }
    }

    /// Whether a form or query names the token's parameter: `access_token`, `accessToken`, `access_token[]` or the
    /// entry's own, however escaped.
    private func carriesToken(_ form: Substring.UTF8View) -> Bool {
        var names: Set = [Self.folded("access_token")]
        if case .query(let parameter) = self { names.insert(Self.folded(parameter)) }
        return form.split { $0 == UInt8(ascii: "&") || $0 == UInt8(ascii: ";") }.contains { field in
            // What is not escaped rightly stays as it is: this only compares.
            let name = FormCoding.decode(field.prefix { $0 != UInt8(ascii: "=") }, keepsMalformed: true) ?? []
            return names.contains(Self.folded(String(decoding: name, as: UTF8.self)))
        }
    }

    /// One spelling for all: letters and digits in lower case, up to the bracket of an array.
    private static func folded(_ name: String) -> String {
        name.prefix { $0 != "[" }.lowercased().filter { $0.isLetter || $0.isNumber }
    }
}

/// Reads of a 401 whether another token could help.
enum BearerChallenge {
    /// Challenges are short; what is longer is not read.
    private static let maximumBytes = 4096

    /// `error="invalid_token"`, or no error code at all: many APIs send a bare 401 (RFC 6750 section 3.1).
    ///
    /// - Parameter challenges: the values of `WWW-Authenticate`.
    static func asksForAnotherToken(_ challenges: [String]) -> Bool {
        let codes = challenges.filter { $0.utf8.count <= maximumBytes }.flatMap(errorCodes)
        return codes.isEmpty || codes.contains("invalid_token")
    }

    /// The values of every parameter `error`, quoted or not; what stands inside of other quotes is not looked at.
    private static func errorCodes(_ challenge: String) -> [String] {
        // A parameter with its value; another quoted text; a word, whole, so that no text costs more than its length.
        challenge.matches(
            of: /([^\s,="]++) *= *(?:"((?:\\.|[^"\\])*)"?|([^\s,"=]*))|"(?:\\.|[^"\\])*"?|[^\s,="]++/
        ).compactMap {
            guard $0.1?.lowercased() == "error" else { return nil }
            return ($0.2 ?? $0.3).map { String($0.replacing(/\\(.)/) { $0.1 }) }
        }
    }
}
