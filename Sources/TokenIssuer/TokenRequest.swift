import Foundation
import TokenVault
public import VaultCore

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

/// A successful answer of the token endpoint (RFC 6749 section 5.1), as the octets of its JSON object.
public struct TokenResponse: Sendable {
    /// The JSON object: it holds tokens, so it is kept like one.
    public let body: SecretBytes

    /// Tokens are base64url and scope names have neither quotes nor backslashes (RFC 6749 section 3.3): nothing needs
    /// escaping.
    init(_ tokens: IssuedTokens, idToken: SecretBytes? = nil, _ profile: IssuerProfile) {
        var json = JSONObject()
        json.add("access_token", tokens.pair.accessToken)
        json.add("token_type", text: "Bearer")
        json.add("expires_in", number: tokens.expiresIn)
        if let refreshToken = tokens.pair.refreshToken { json.add("refresh_token", refreshToken) }
        if let idToken { json.add("id_token", idToken) }
        if !tokens.scope.isEmpty { json.add("scope", text: tokens.scope.text) }
        if profile.repeatsInCamelCase {
            json.add("accessToken", tokens.pair.accessToken)
            if let refreshToken = tokens.pair.refreshToken { json.add("refreshToken", refreshToken) }
            json.add("expires", text: tokens.expiresAt.dateAndTime)
        }
        body = SecretBytes(json.finish())
    }
}

/// Writes a flat JSON object of values that need no escaping.
private struct JSONObject {
    private var bytes: [UInt8] = [UInt8(ascii: "{")]

    init() { bytes.reserveCapacity(512) }

    mutating func add(_ name: StaticString, _ secret: SecretBytes) {
        begin(name)
        bytes.append(UInt8(ascii: "\""))
        secret.withExposed { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
    }

    mutating func add(_ name: StaticString, text: String) {
        begin(name)
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: text.utf8)
        bytes.append(UInt8(ascii: "\""))
    }

    mutating func add(_ name: StaticString, number: Int64) {
        begin(name)
        bytes.append(contentsOf: String(number).utf8)
    }

    mutating func finish() -> [UInt8] {
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    private mutating func begin(_ name: StaticString) {
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        bytes.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
    }
}

extension VaultInstant {
    /// `YYYY-MM-DD HH:MM:SS`, UTC: how the QuantiModo API spells the time of expiry.
    fileprivate var dateAndTime: String {
        var seconds = time_t(secondsSince1970)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + String(number) }
        let date = "\(1900 + parts.tm_year)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        return date + " \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
    }
}
