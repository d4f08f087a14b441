import HTTPTypes
import Hummingbird
import TokenIssuer
import TokenVault
import VaultCore
import VaultCrypto

/// The two cookies: the session of who is signed in, and a name for a browser in which nobody is. Their names
/// end in a hash of the issuer's URL. Browsers send the cookies of a host to all of its ports and paths (RFC
/// 6265 section 8.5), and two issuers there would otherwise replace each other's.
struct BrowserCookies: Sendable {
    private let vault: Vault
    private let isSecure: Bool
    private let sessionName: String
    private var browserName: String { sessionName + "-form" }

    init(_ issuer: TokenIssuer) {
        vault = issuer.vault
        let url = issuer.issuer ?? ""
        isSecure = !url.hasPrefix("http://")
        // RFC 6265bis section 4.1.3.2: with the prefix a browser takes the cookie over https alone, for this host alone
        // and for all of its paths, so that no neighbour can plant one.
        sessionName =
            (isSecure ? "__Host-" : "") + "tokenvault-"
            + SHA256.hash(Array(url.utf8)).description.prefix(16)
    }

    func session(of request: Request) throws -> SignInSession? {
        try sessionCookie(of: request).flatMap { try vault.session($0) }
    }

    func sessionCookie(of request: Request) -> SecretBytes? {
        request.cookies[sessionName].map { SecretBytes(copying: $0.value) }
    }

    /// Names a browser before anybody signed in: a sign-in form works in the browser it was shown in.
    func browser(of request: Request) -> String? {
        // What is no name of ours might be something else's idea of one.
        request.cookies[browserName].flatMap { $0.value.utf8.count == 22 ? $0.value : nil }
    }

    static func newBrowser() -> String { Base64URL.encodeToString(SystemRandom().bytes(16)) }

    func setting(browser: String) -> String { cookie(browserName, browser) }

    func setting(session: SecretBytes) -> String { cookie(sessionName, session.text) }

    var endingSession: String { cookie(sessionName, "") + "; Max-Age=0" }

    private func cookie(_ name: String, _ value: String) -> String {
        "\(name)=\(value); Path=/; HttpOnly; SameSite=Lax" + (isSecure ? "; Secure" : "")
    }
}
