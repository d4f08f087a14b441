import HTTPTypes
public import Hummingbird
public import TokenIssuer
public import TokenVault
import VaultCore

/// The context of a request to a protected route, with the access token that was checked.
///
/// ```swift
/// struct MyContext: BearerRequestContext {
///     var coreContext: CoreRequestContextStorage
///     var accessToken: ValidToken?
///     init(source: ApplicationRequestContextSource) { coreContext = .init(source: source) }
/// }
/// ```
public protocol BearerRequestContext: RequestContext {
    /// Set by ``BearerAuthenticator`` before the route's handler runs; never nil behind it.
    var accessToken: ValidToken? { get set }
}

/// Lets only requests with a valid access token through to a host's own routes (RFC 6750).
///
/// ```swift
/// router.group("measurements")
///     .add(middleware: BearerAuthenticator(issuer, requiring: ["readmeasurements"]))
///     .get { _, context in … context.accessToken … }
/// ```
///
/// The token is checked in this process against the database as of now, without HTTP: a revocation by any process is
/// seen at once. The first check of a token counts as its first use. The token is taken from the `Authorization` header
/// or, where that is switched on, from the query string, never from both (400). Without a token: 401; with one that is
/// not valid, or not for `resource`: 401 `invalid_token`; with one for less than `requiring`: 403 `insufficient_scope`; when storage does not
/// answer: 503 with `Retry-After`. Not a cache: what is read is not remembered.
public struct BearerAuthenticator<Context: BearerRequestContext>: RouterMiddleware {
    private let issuer: TokenIssuer
    private let scope: [String]
    private let resource: ProtectedResource?
    private let realm: String
    private let queryParameters: [String]

    /// - Parameters:
    ///   - scope: names that the token must all be for.
    ///   - resource: what these routes are (RFC 8707). Tokens that are for something else, or for nothing in particular, are
    ///     refused, and challenges name its metadata and the scope. Nil: it does not matter what a token is for, so another
    ///     service can pass on those it was given.
    ///   - realm: named in challenges; characters that would need escaping are left out.
    ///   - acceptsQuery: whether `?access_token=` is taken too, which ends up in logs; nil: as the issuer's profile says,
    ///     whose spellings it may have.
    public init(
        _ issuer: TokenIssuer, requiring scope: [String] = [], for resource: ProtectedResource? = nil,
        realm: String = "tokenvault", acceptsQuery: Bool? = nil
    ) {
        self.issuer = issuer
        self.scope = scope
        self.resource = resource
        self.realm = String(realm.filter { $0.isASCII && !$0.isNewline && $0 != "\"" && $0 != "\\" })
        let spellings = issuer.profile.tokenParameters
        queryParameters =
            switch acceptsQuery {
            case false?: []
            case true? where spellings.isEmpty: ["access_token"]
            default: spellings
            }
    }

    public func handle(
        _ request: Request, context: Context,
        next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        var context = context
        let isInQuery: Bool
        do throws(BearerRefusal) {
            let credentials = try BearerCredentials(request, queryParameters: queryParameters)
            context.accessToken = try await issuer.accept(
                credentials, requiring: scope, for: resource?.identifier)
            isInQuery = credentials.isInQuery
        } catch {
            return error.asking(for: scope, of: resource).response(to: request, realm: realm)
        }
        var response = try await next(request, context)
        // RFC 6750 section 2.3: success responses to these requests "SHOULD contain a Cache-Control header with the
        // "private" option".
        if isInQuery, response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "private" }
        return response
    }
}

extension TokenIssuer {
    /// The token, if its scope is large enough.
    func accept(
        _ credentials: BearerCredentials, requiring scope: [String], for resource: ResourceIdentifier? = nil
    ) async throws(BearerRefusal) -> ValidToken {
        let accessToken: ValidToken?
        do throws(OAuthError) { accessToken = try await validate(credentials.accessToken) } catch {
            throw BearerRefusal(error: error)
        }
        guard let accessToken else { throw .invalidToken }
        guard resource == nil || accessToken.audience.flatMap(ResourceIdentifier.init) == resource else {
            throw .otherResource
        }
        guard scope.allSatisfy(accessToken.scope.names.contains) else { throw .insufficient(scope) }
        return accessToken
    }
}

/// The access token of a request, in whichever one way it was sent (RFC 6750 section 2).
struct BearerCredentials {
    let accessToken: SecretBytes
    /// Section 2.3: the answer to such a request is for one reader alone.
    let isInQuery: Bool

    /// - Parameters:
    ///   - queryParameters: names an access token may have in the query string; none: that form is off.
    ///   - form: the body's access token, where a body was read.
    init(
        _ request: Request, queryParameters: [String], form: SecretBytes? = nil
    ) throws(BearerRefusal) {
        let header = try Self.inHeader(request.headers)
        let query = try Self.inQuery(request.uri.query, queryParameters)
        // RFC 6750 section 2: "Clients MUST NOT use more than one method to transmit the token in each request." Where
        // the query form is off, a token there is ignored when it stands alone, and still no second way.
        let isTwice = (header != nil && (query.isNamed || form != nil)) || (form != nil && query.isNamed)
        guard !isTwice else { throw .twice }
        guard let token = header ?? form ?? query.token else { throw .absent }
        accessToken = token
        isInQuery = header == nil && form == nil
    }

    /// Nil: no header, or one of another scheme.
    private static func inHeader(_ headers: HTTPFields) throws(BearerRefusal) -> SecretBytes? {
        let values = headers[values: .authorization]
        guard values.count <= 1 else { throw .twice }
        guard let value = values.first?.utf8 else { return nil }
        let scheme = value.prefix { $0 != UInt8(ascii: " ") }
        guard scheme.count == 6, String(Substring(scheme)).lowercased() == "bearer" else { return nil }
        let token = value.dropFirst(scheme.count).drop { $0 == UInt8(ascii: " ") }
        // Section 2.1: b64token, and nothing after it.
        guard !token.isEmpty, !token.contains(UInt8(ascii: " ")), !token.contains(UInt8(ascii: ",")) else {
            throw .malformed
        }
        return SecretBytes(Array(token))
    }

    /// The rest of the query is the host's own: only the names that matter are read.
    private static func inQuery(
        _ query: String?, _ names: [String]
    ) throws(BearerRefusal) -> (token: SecretBytes?, isNamed: Bool) {
        guard let query, !query.isEmpty else { return (nil, false) }
        var tokens: [SecretBytes] = []
        var count = 0
        for pair in Array(query.utf8).split(separator: UInt8(ascii: "&")) {
            let halves = pair.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let first = halves.first, let octets = try? FormCoding.strict(first) else {
                continue
            }
            let name = String(decoding: octets, as: UTF8.self)
            guard names.contains(name) || name == "access_token" else { continue }
            count += 1
            guard names.contains(name) else { continue }
            guard halves.count == 2, let value = try? FormCoding.strict(halves[1]) else {
                throw .malformed
            }
            tokens.append(SecretBytes(value))
        }
        guard tokens.count <= 1 else { throw .twice }
        return (tokens.first, count > 0)
    }
}

/// Why a request to a protected resource is refused, as RFC 6750 section 3 says it.
struct BearerRefusal: Error {
    let error: OAuthError
    // Section 3.1: "If the request lacks any authentication information […], the resource server SHOULD NOT include an
    // error code or other error information."
    var isSilent = false
    /// What would have been enough.
    var scope: [String] = []
    /// Where a client finds out whom to ask (RFC 9728 section 5.1).
    var metadataURL: String?

    static let absent = BearerRefusal(
        error: OAuthError(.invalidRequest, status: 401, ""), isSilent: true)

    static let invalidToken = BearerRefusal(
        error: OAuthError(
            .invalidToken, status: 401, "The access token is not valid: unknown, expired or revoked."))

    static let otherResource = BearerRefusal(
        error: OAuthError(.invalidToken, status: 401, "The access token was not issued for this resource."))

    static let twice = BearerRefusal(
        error: OAuthError(.invalidRequest, "The request carries its access token in more than one way."))

    static let malformed = BearerRefusal(
        error: OAuthError(.invalidRequest, "The request's access token is malformed."))

    static func insufficient(_ scope: [String]) -> BearerRefusal {
        BearerRefusal(
            error: OAuthError(.insufficientScope, status: 403, "The access token is for less than this."),
            scope: scope)
    }

    /// The same, with what clients need that know the address alone: also without a token, and after a refusal for another
    /// reason, what to ask for. A host that does not say what it is keeps to RFC 6750.
    func asking(for scope: [String], of resource: ProtectedResource?) -> BearerRefusal {
        guard let resource else { return self }
        var refusal = self
        refusal.scope = scope
        refusal.metadataURL = resource.metadataURL
        return refusal
    }

    func response(to request: Request, realm: String, id: RequestID = RequestID()) -> Response {
        var headers: HTTPFields = [:]
        if (400..<404).contains(error.status) { headers[.wwwAuthenticate] = challenge(realm) }
        guard isSilent else { return Response(error, to: request, id: id, headers: headers) }
        headers[.cacheControl] = "no-store"
        headers[.requestID] = id.description
        return Response(status: HTTPResponse.Status(code: error.status), headers: headers)
    }

    private func challenge(_ realm: String) -> String {
        var challenge = "Bearer realm=\"\(realm)\""
        if !isSilent {
            challenge += ", error=\"\(error.code.rawValue)\", error_description=\"\(error.description)\""
        }
        if let metadataURL { challenge += ", resource_metadata=\"\(metadataURL)\"" }
        if !scope.isEmpty { challenge += ", scope=\"\(scope.joined(separator: " "))\"" }
        return challenge
    }
}
