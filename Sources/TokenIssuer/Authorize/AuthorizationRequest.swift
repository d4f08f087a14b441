import TokenVault
package import VaultCore

/// A request to the authorization endpoint, taken apart and not yet judged (RFC 6749 section 4.1.1). Holds no
/// credential: a `client_secret` that came along, as clients of older APIs do, is not kept.
public struct AuthorizationRequest: Sendable {
    /// When it came first: a sign-in that it asks for is one after this.
    package let receivedAt: VaultInstant
    package let requestID: String?
    private let parameters: [(name: String, value: String)]

    /// All parameters together, percent-encoded: they travel in a URL, and the longest honest ones are under 4 KiB.
    package static let longest = 8 * 1024
    /// `state`, in bytes: it goes back in a URL with a code beside it.
    static let longestState = 2048
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

    /// The same parameters as a query.
    var query: String { FormCoding.encode(parameters) }

    private static let known: Set<String> = [
        "response_type", "redirect_uri", "scope", "state", "response_mode", "nonce", "prompt", "max_age",
        "login_hint", "code_challenge", "code_challenge_method", "request", "request_uri", "registration",
    ]
}
