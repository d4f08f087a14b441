import HTTPTypes
import Hummingbird
import TokenIssuer
import TokenVault
import VaultCore
import VaultCrypto

/// The two cookies: the session of who is signed in, and a name for a browser in which nobody is.
struct BrowserCookies: Sendable {
    private let vault: Vault
    private let isSecure: Bool

    init(_ issuer: TokenIssuer) {
        vault = issuer.vault
        isSecure = issuer.issuer?.hasPrefix("https://") ?? true
    }

    // RFC 6265bis section 4.1.3.2: with the prefix a browser takes the cookie over https alone, for this host alone,
    // so that no neighbour can plant one.
    private var sessionName: String { isSecure ? "__Host-tokenvault" : "tokenvault" }
    private var browserName: String { sessionName + "-form" }

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
