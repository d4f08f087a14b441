import Foundation
import HTTPTypes
import Hummingbird
import TokenIssuer
import TokenVault
import VaultCore
import VaultCrypto

/// What a form of ours carries along in its hidden field `form`: sealed, so that only this service can make one.
protocol PageForm: Codable, Sendable {
    /// One kind of form does not pass for another.
    static var purpose: String { get }
}

extension PageForm {
    /// The value of the hidden field. It counts for as long as the session or the browser that it names: an end of its
    /// own would only send users with an old tab away.
    func sealed(by vault: Vault) throws -> String {
        try vault.sealed(
            Array(try JSONEncoder().encode(self)), purpose: Self.purpose, lifetime: Limits.sessionLifetime
        ).text
    }

    /// Nil for a value that is not ours, or of another form.
    init?(opening sealed: SecretBytes, by vault: Vault) {
        guard let bytes = vault.unseal(sealed, purpose: Self.purpose),
            let form = try? JSONDecoder().decode(Self.self, from: Data(bytes))
        else { return nil }
        self = form
    }
}

/// A form that a browser posted to one of our pages.
struct PostedForm: Sendable {
    private let fields: [FormParameter]

    init(_ request: Request, _ body: FormBody) async throws {
        let octets = try await body.read(request)
        // The browser's own word, where it has one, besides the sealed field: our forms are posted from our pages.
        if let site = request.headers[.fetchSite], site != "same-origin", site != "none" {
            throw Refusal.foreignSite
        }
        do { fields = try FormCoding.strictPairs(octets) } catch { throw Refusal.malformedForm }
    }

    /// Nil where it is absent or empty.
    func secret(_ name: String) -> SecretBytes? {
        let value = fields.first { $0.name == name }?.value
        return value.flatMap { $0.withExposed(\.isEmpty) ? nil : $0 }
    }

    func text(_ name: String) -> String? { secret(name)?.text }

    func form<Form: PageForm>(_ type: Form.Type, by vault: Vault) -> Form? {
        secret("form").flatMap { Form(opening: $0, by: vault) }
    }
}

extension HTTPField.Name {
    /// `Sec-Fetch-Site`: where the page is from that makes the request (W3C Fetch Metadata).
    fileprivate static let fetchSite = field("Sec-Fetch-Site")
}

/// The two cookies: the session of the signed-in user, and a name for a browser without one. Their names
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

    func session(of request: Request) async throws -> SignInSession? {
        guard let cookie = sessionCookie(of: request) else { return nil }
        return try await vault.session(cookie)
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
