import TokenVault
public import VaultCore

/// A request to the authorization endpoint, parsed but not yet checked (RFC 6749 section 4.1.1). Holds no
/// credential: a `client_secret` that came along, as clients of older APIs do, is not kept.
public struct AuthorizationRequest: Sendable {
    /// When it came first: a sign-in that it asks for is one after this.
    package let receivedAt: VaultInstant
    package let requestID: String?
    private let parameters: [(name: String, value: String)]

    /// All parameters together, percent-encoded: they travel in a URL, and the longest honest ones are under 4 KiB.
    package static let longest = 8 * 1024
    /// `nonce`, in bytes: it is kept with the grant and repeated in the id_token.
    static let longestNonce = 512

    /// Reads the query of a GET, or the form body of a POST.
    ///
    /// - Parameter requestID: goes into the log.
    /// - Throws: `invalid_request`, to be shown to the user: where it cannot be read it cannot be trusted.
    public init(query: [UInt8], issuer: TokenIssuer, requestID: String?) throws(OAuthError) {
        try self.init(
            query: query, profile: issuer.profile, receivedAt: issuer.vault.clock.now(), requestID: requestID)
    }

    init(
        query: [UInt8], profile: IssuerProfile, receivedAt: VaultInstant, requestID: String?
    ) throws(OAuthError) {
        let decoded: [FormParameter]
        do { decoded = try FormCoding.strictPairs(query) } catch {
            throw OAuthError(error, in: "The request")
        }
        var parameters: [(name: String, value: String)] = []
        // RFC 6749 section 3.1: "Parameters sent without a value MUST be treated as if they were omitted from the
        // request. The authorization server MUST ignore unrecognized request parameters."
        for parameter in decoded where !parameter.value.withExposed(\.isEmpty) {
            let isClientID = profile.clientIDParameters.contains(parameter.name)
            guard isClientID || Self.known.contains(parameter.name) else { continue }
            let name = isClientID ? "client_id" : parameter.name
            guard !parameters.contains(where: { $0.name == name }) else {
                throw .invalidRequest("The request names its client in two spellings.")
            }
            parameters.append((name, parameter.text))
        }
        guard FormCoding.encode(parameters).utf8.count <= Self.longest else {
            throw .invalidRequest("The request is longer than \(Self.longest) bytes.")
        }
        self.parameters = parameters
        self.receivedAt = receivedAt
        self.requestID = requestID
    }

    /// Nil where the parameter is absent or empty.
    subscript(_ name: String) -> String? { parameters.first { $0.name == name }?.value }

    /// The parameters as a query.
    var query: String { FormCoding.encode(parameters) }

    private static let known: Set<String> = [
        "response_type", "redirect_uri", "scope", "state", "response_mode", "nonce", "prompt", "max_age",
        "login_hint", "id_token_hint", "code_challenge", "code_challenge_method", "request", "request_uri",
        "registration", "resource",
    ]
}

/// A request that waits while the user signs in or decides goes through the browser, sealed: nothing is kept here.
extension AuthorizationRequest {
    /// A sign-in may be older by this than the answer to a request that asked for it: a forgotten password is found again
    /// in that time.
    private static let patience = Duration.seconds(30 * 60)
    private static let purpose = "authorize"

    /// The request as a value for a URL or a form. It does not end before the tab that shows it is closed.
    public func sealed(by issuer: TokenIssuer) throws -> SecretBytes {
        var bytes = withUnsafeBytes(of: receivedAt.millisecondsSince1970.bigEndian, Array.init)
        bytes += Array(query.utf8)
        return try issuer.vault.sealed(bytes, purpose: Self.purpose, lifetime: Limits.sessionLifetime)
    }

    /// Resumes a request, as one that came half an hour ago at the earliest. Nil for a value that is not ours.
    public init?(resuming sealed: SecretBytes, issuer: TokenIssuer, requestID: String?) {
        guard let bytes = issuer.vault.unseal(sealed, purpose: Self.purpose), bytes.count > 8 else {
            return nil
        }
        let milliseconds = bytes.prefix(8).reduce(Int64(0)) { $0 << 8 | Int64($1) }
        let earliest = issuer.vault.clock.now().advanced(by: .zero - Self.patience)
        do throws(OAuthError) {
            try self.init(
                query: Array(bytes.dropFirst(8)), profile: issuer.profile,
                receivedAt: max(earliest, VaultInstant(millisecondsSince1970: milliseconds)),
                requestID: requestID)
        } catch { return nil }
    }
}

/// What `prompt` asks for (OpenID Connect Core section 3.1.2.1).
package enum Prompt: String, Sendable {
    /// No page may be shown.
    case none
    /// The user signs in again.
    case login
    /// The user is asked again.
    case consent
    /// The user chooses an account: the same page as for signing in.
    case selectAccount = "select_account"

    /// Nil for any other word, and for `none` beside another.
    static func set(_ text: String?) -> Set<Prompt>? {
        let words = (text ?? "").split(separator: " ")
        let prompts = Set(words.compactMap { Prompt(rawValue: String($0)) })
        guard prompts.count == Set(words).count, !prompts.contains(.none) || prompts.count == 1 else {
            return nil
        }
        return prompts
    }
}
