import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle
import TokenIssuer
import TokenVault
import VaultCore

/// A program in front of the issuer that signs users in, such as Apache with mod_auth_openidc, and the socket on which it
/// hands them over.
public struct TrustedFront: Sendable {
    /// The path of a Unix socket. Its folder should be one that the issuer alone writes to.
    public let socket: String
    /// The user that the program runs as; connections of others are closed.
    public let user: UInt32

    public init(socket: String, user: UInt32) {
        self.socket = socket
        self.user = user
    }

    func check() throws {
        // The kernel takes no longer one (unix(7)).
        guard socket.hasPrefix("/"), socket.utf8.count <= 107 else {
            throw VaultError(
                .invalidInput, "The front's socket is a path from the root, of at most 107 bytes.",
                remedy: "Choose another path, as /run/tokenvault/front.sock.")
        }
        // So the kernel shows every user whom this process's namespace does not know (user_namespaces(7)).
        guard user != 65534, user != .max else {
            throw VaultError(
                .invalidInput,
                "The front's user cannot be 65534, which stands for any user of another namespace.",
                remedy: "Run the front as a user of its own, in the same user namespace (docs/sign-in.md).")
        }
    }
}

/// `/sign-in/front` on a socket of its own: takes the user whom the front signed in, and begins our session.
struct FrontListener: Service {
    let front: TrustedFront
    let issuer: TokenIssuer
    let lifetime: Duration
    let logger: Logger
    let onReady: @Sendable () -> Void

    private var pages: Pages { Pages(issuer) }

    /// Apache keeps a few connections for each of its processes; each carries one request.
    private static let maximumConnections = 128

    func run() async throws {
        let router = Router()
        let endpoints: [(HTTPRequest.Method, @Sendable (Request, BasicRequestContext) async -> Response)] = [
            (.get, { request, _ in await signIn(request) })
        ]
        pages.mount(PagePaths.front, on: IssuerPaths(router, of: issuer), endpoints)
        let application = Application(
            router: router,
            server: .requests(idleTimeout: .seconds(5), readTime: .seconds(5), front: front),
            configuration: ApplicationConfiguration(
                address: .unixDomainSocket(path: front.socket),
                availableConnectionsDelegate: .maximum(Self.maximumConnections, logger: logger)),
            onServerRunning: { _ in
                // The kernel says who connects (`FrontGate`): the file need not.
                if chmod(front.socket, 0o666) != 0 {
                    logger.error(
                        "The front's socket cannot be opened to the front.", metadata: ["errno": "\(errno)"])
                }
                onReady()
            }, logger: logger)
        // A socket that an earlier run left is replaced, and nothing else.
        let known =
            try? FileManager.default.attributesOfItem(atPath: front.socket)[.type] as? FileAttributeType
        if let known, known != .typeSocket {
            throw refusal("there is something else")
        }
        do { try await application.run() } catch let error as IOError {
            throw refusal(String(cString: strerror(error.errnoCode)))
        }
    }

    private func refusal(_ reason: String) -> VaultError {
        VaultError(
            .unavailable, "Cannot listen on \(front.socket): \(reason).",
            remedy: "Choose another socket for the front.")
    }

    private func signIn(_ request: Request) async -> Response {
        var response = await pages.answering(request) { id in try await answer(request, id) }
        response.headers[.connection] = "close"
        logger.info(
            "request",
            metadata: [
                "route": "\(PagePaths.front)", "status": "\(response.status.code)",
                "request_id": "\(response.headers.only(.requestID) ?? "-")",
            ])
        return response
    }

    private func answer(_ request: Request, _ id: RequestID) async throws -> Response {
        let (cookies, vault) = (BrowserCookies(issuer), issuer.vault)
        guard let sealed = request.uri.query,
            let form = FrontForm(opening: SecretBytes(copying: sealed), by: vault)
        else { throw Refusal.unknownForm }
        // Without this, another site could sign the browser in as someone of its choice (RFC 6749 section 10.12).
        guard let browser = cookies.browser(of: request) else { throw Refusal.noCookie }
        guard browser == form.browser else {
            // Of pages that opened together the last named the browser: from there the way leads here again.
            return pages.seeOther(form.returnTo, to: request, id)
        }
        let identity: FrontIdentity
        do { identity = try FrontIdentity(Self.claims(of: request), now: vault.clock.now()) } catch {
            logger.error("The front's word does not do.", metadata: ["error": "\(error.message)"])
            throw Refusal.frontIsSilent
        }
        // The front has an old session still, and sends everyone back at once: without an end this would go round.
        if let last = form.lastSignIn, identity.signedInAt.secondsSince1970 <= last { throw Refusal.notFresh }
        guard let user = try await vault.users.signIn(identity, requestID: id.description) else {
            throw Refusal.disabledUser
        }
        // A new session each time: anyone who knew the old one gains nothing by this sign-in.
        if let old = cookies.sessionCookie(of: request) { try await vault.endSession(old) }
        let session = try await vault.startSession(
            user: user.id, signedInAt: identity.signedInAt, lifetime: lifetime)
        return pages.seeOther(
            form.returnTo, to: request, id, headers: [.setCookie: cookies.setting(session: session)])
    }

    private static func claims(of request: Request) -> [FrontIdentity.Claim: String] {
        var claims: [FrontIdentity.Claim: String] = [:]
        for claim in FrontIdentity.Claim.allCases {
            claims[claim] = request.headers.only(.field(FrontHead.field(claim)))
        }
        return claims
    }
}

/// What the browser carries through the front's sign-in: which browser it is, and where to go on.
struct FrontForm: PageForm {
    static let purpose = "front"
    let browser: String
    let returnTo: String
    /// When the user signed in who must do so again, in seconds since 1970.
    let lastSignIn: Int64?
}

extension Refusal {
    fileprivate static let noCookie = OAuthError(
        .invalidRequest, status: 409,
        "Signing in needs a cookie. Allow cookies for this site, go back to the application and begin again.")

    fileprivate static let frontIsSilent = OAuthError(
        .serverError, status: 502,
        "The sign-in service did not say who you are. Its operator must correct this.")

    fileprivate static let notFresh = OAuthError(
        .accessDenied, status: 403,
        "The application wants you to sign in again. Sign out of the sign-in service first, then begin again."
    )

    fileprivate static let disabledUser = OAuthError(
        .accessDenied, status: 403, "Your account here is disabled.")
}
