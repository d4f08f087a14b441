import VaultCore

/// A request to the token endpoint, taken apart and not yet judged.
///
/// ```swift
/// let request = try TokenRequest(form: body, authorization: [], profile: .standard, requestID: nil)
/// let response = try await issuer.token(request)
/// ```
public struct TokenRequest: Sendable {
    let grantType: String
    let credentials: ClientCredentials
    private(set) var code: SecretBytes?
    private(set) var refreshToken: SecretBytes?
    private(set) var codeVerifier: SecretBytes?
    private(set) var redirectURI: String?
    private(set) var scope: String?
    let origin: RequestOrigin
    /// It came in a query string, which only ``IssuerProfile/acceptsLegacyGet`` allows.
    package var isLegacyGet = false
    var requestID: String? { origin.requestID }

    /// Reads a form body.
    ///
    /// - Parameters:
    ///   - body: the octets of an `application/x-www-form-urlencoded` body.
    ///   - authorization: the values of all `Authorization` headers.
    ///   - requestID: goes into the log.
    ///   - address: where the request came from; failed authentication is throttled per client and address.
    /// - Throws: `invalid_request`.
    public init(
        form body: [UInt8], authorization: [String], profile: IssuerProfile, requestID: String?,
        address: @autoclosure @escaping @Sendable () -> String? = nil
    ) throws(OAuthError) {
        let parameters: [FormParameter]
        do { parameters = try FormCoding.strictPairs(body) } catch { throw OAuthError(error) }
        var grantType: String?
        var client = CredentialParameters()
        // RFC 6749 section 3.2: "Parameters sent without a value MUST be treated as if they were omitted from the
        // request. The authorization server MUST ignore unrecognized request parameters."
        for parameter in parameters where !parameter.value.withExposed(\.isEmpty) {
            switch parameter.name {
            case "grant_type": grantType = parameter.text
            case "code": code = parameter.value
            case "refresh_token": refreshToken = parameter.value
            case "code_verifier": codeVerifier = parameter.value
            case "redirect_uri": redirectURI = parameter.text
            case "scope": scope = parameter.text
            default: try client.take(parameter, profile)
            }
        }
        guard let grantType else { throw .missing("grant_type") }
        self.grantType = grantType
        origin = RequestOrigin(requestID: requestID, address: address)
        credentials = try ClientCredentials(client, authorization: authorization)
    }
}

extension OAuthError {
    /// - Parameter text: what was read, as the beginning of a sentence.
    init(_ error: FormError, in text: String = "The body") {
        self =
            switch error {
            case .percentEncoding: .invalidRequest("\(text) has malformed percent-encoding.")
            case .controlCharacter: .invalidRequest("\(text) has a control character or NUL.")
            case .notUTF8: .invalidRequest("\(text) is not UTF-8.")
            case .tooManyParameters:
                .invalidRequest("\(text) has more than \(FormCoding.parameterLimit) parameters.")
            case .repeatedParameter: .invalidRequest("\(text) has a parameter more than once.")
            }
    }
}
