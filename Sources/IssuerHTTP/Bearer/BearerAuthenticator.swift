public import Hummingbird
public import TokenIssuer
public import TokenVault
import VaultCore

/// What a request of a protected route carries: what its access token stands for.
///
/// ```swift
/// struct MyContext: BearerRequestContext {
///     var coreContext: CoreRequestContextStorage
///     var accessToken: ValidAccessToken?
///     init(source: ApplicationRequestContextSource) { coreContext = .init(source: source) }
/// }
/// ```
public protocol BearerRequestContext: RequestContext {
    /// Set by ``BearerAuthenticator`` before the route's handler runs; never nil behind it.
    var accessToken: ValidAccessToken? { get set }
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
/// not valid: 401 `invalid_token`; with one for less than `requiring`: 403 `insufficient_scope`; when storage does not
/// answer: 503 with `Retry-After`. Not a cache: what is read is not remembered.
public struct BearerAuthenticator<Context: BearerRequestContext>: RouterMiddleware {
    private let issuer: TokenIssuer
    private let scope: [String]
    private let realm: String
    private let queryParameters: [String]

    /// - Parameters:
    ///   - scope: names that the token must all be for.
    ///   - realm: named in challenges; characters that would need escaping are left out.
    ///   - acceptsQuery: whether `?access_token=` is taken too, which ends up in logs; nil: as the issuer's profile says,
    ///     whose spellings it may have.
    public init(
        _ issuer: TokenIssuer, requiring scope: [String] = [], realm: String = "tokenvault",
        acceptsQuery: Bool? = nil
    ) {
        self.issuer = issuer
        self.scope = scope
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
            context.accessToken = try issuer.accept(credentials, requiring: scope)
            isInQuery = credentials.isInQuery
        } catch {
            return error.response(to: request, realm: realm)
        }
        var response = try await next(request, context)
        // RFC 6750 section 2.3: success responses to these requests "SHOULD contain a Cache-Control header with the
        // "private" option".
        if isInQuery, response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "private" }
        return response
    }
}

extension TokenIssuer {
    /// What the token stands for, when that is enough.
    func accept(
        _ credentials: BearerCredentials, requiring scope: [String]
    ) throws(BearerRefusal) -> ValidAccessToken {
        let accessToken: ValidAccessToken?
        do throws(OAuthError) { accessToken = try validate(credentials.accessToken) } catch {
            throw BearerRefusal(error: error)
        }
        guard let accessToken else { throw .invalidToken }
        guard scope.allSatisfy(accessToken.scope.names.contains) else { throw .insufficient(scope) }
        return accessToken
    }
}
