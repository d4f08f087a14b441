import VaultCore

/// How a request says who its client is (RFC 6749 section 2.3).
enum ClientCredentials: Sendable {
    /// In the `Authorization` header.
    case basic(clientID: String, secret: SecretBytes)
    /// In the body.
    case post(clientID: String, secret: SecretBytes)
    /// In the body: a JWT that the client signed (RFC 7523), and the `client_id` where it is said besides.
    case assertion(SecretBytes, clientID: String?)
    /// A `client_id` and nothing to prove it.
    case none(clientID: String)
    case absent
    /// Something else than we take: another scheme, a Basic header that does not decode.
    case unsupported

    /// RFC 7523 section 2.2.
    static let assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

    /// - Parameter authorization: the values of all `Authorization` headers.
    init(_ parameters: CredentialParameters, authorization: [String]) throws(OAuthError) {
        guard authorization.count <= 1 else {
            throw .invalidRequest("The request has more than one Authorization header.")
        }
        // RFC 6749 section 2.3: "The client MUST NOT use more than one authentication method in each request."
        let methods = [authorization.first != nil, parameters.secret != nil, parameters.assertion != nil]
        guard methods.count(where: { $0 }) <= 1 else {
            throw .invalidRequest("The request uses more than one way of client authentication.")
        }
        // RFC 7521 section 4.2: `client_assertion_type` is "REQUIRED", and without an assertion it says nothing.
        guard (parameters.assertion == nil) == (parameters.assertionType == nil) else {
            throw .invalidRequest("A client_assertion and its client_assertion_type come together.")
        }
        if let header = authorization.first {
            self = Self.basic(header)
            if case .basic(let clientID, _) = self, let named = parameters.clientID, named != clientID {
                throw .invalidRequest("The client_id in the body is not the one in the Authorization header.")
            }
        } else if let assertion = parameters.assertion {
            guard parameters.assertionType == Self.assertionType else {
                throw .invalidRequest("The client_assertion_type is not \(Self.assertionType).")
            }
            self = .assertion(assertion, clientID: parameters.clientID)
        } else if let clientID = parameters.clientID {
            self =
                parameters.secret.map { .post(clientID: clientID, secret: $0) } ?? .none(clientID: clientID)
        } else {
            self = parameters.secret == nil ? .absent : .unsupported
        }
    }

    /// RFC 7617 with the encoding of RFC 6749 section 2.3.1: both halves are form-encoded before base64.
    private static func basic(_ header: String) -> ClientCredentials {
        let text = Array(header.utf8)
        guard let space = text.firstIndex(of: UInt8(ascii: " ")),
            String(decoding: text[..<space], as: UTF8.self).lowercased() == "basic",
            let decoded = Base64.decode(octets: Array(text[space...].drop { $0 == UInt8(ascii: " ") })),
            let colon = decoded.firstIndex(of: UInt8(ascii: ":")),
            let clientID = try? FormCoding.strict(decoded[..<colon]),
            let secret = try? FormCoding.strict(decoded[(colon + 1)...]),
            let clientID = String(validating: clientID, as: UTF8.self), !clientID.isEmpty
        else { return .unsupported }
        return .basic(clientID: clientID, secret: SecretBytes(secret))
    }
}

/// What the body says about the client.
struct CredentialParameters: Sendable {
    var clientID: String?
    var secret: SecretBytes?
    /// `client_assertion` (RFC 7521 section 4.2).
    var assertion: SecretBytes?
    /// `client_assertion_type`.
    var assertionType: String?

    /// Takes what a parameter says about the client; others are left to the endpoint.
    mutating func take(_ parameter: FormParameter, _ profile: IssuerProfile) throws(OAuthError) {
        if parameter.name == "client_assertion" {
            assertion = parameter.value
        } else if parameter.name == "client_assertion_type" {
            assertionType = parameter.text
        } else if profile.clientIDParameters.contains(parameter.name) {
            guard clientID == nil else { throw .twoSpellings }
            clientID = parameter.text
        } else if profile.clientSecretParameters.contains(parameter.name) {
            guard secret == nil else { throw .twoSpellings }
            secret = parameter.value
        }
    }
}

extension OAuthError {
    fileprivate static let twoSpellings = invalidRequest(
        "The request names its client, or the secret, in two spellings. Use one.")
}

/// A request to the revocation or introspection endpoint (RFC 7009 section 2.1, RFC 7662 section 2.1), taken apart and
/// not yet judged: a token, and the client that shows it.
public struct PresentedToken: Sendable {
    let token: SecretBytes
    let credentials: ClientCredentials
    let origin: RequestOrigin

    /// Reads a form body; `token_type_hint` is not looked at: what kind a token is, it says itself.
    ///
    /// - Parameters: as of ``TokenRequest``.
    /// - Throws: `invalid_request`.
    public init(
        form body: [UInt8], authorization: [String], profile: IssuerProfile, requestID: String?,
        address: @autoclosure @escaping @Sendable () -> String? = nil
    ) throws(OAuthError) {
        let parameters: [FormParameter]
        do { parameters = try FormCoding.strictPairs(body) } catch { throw OAuthError(error) }
        var token: SecretBytes?
        var client = CredentialParameters()
        for parameter in parameters where !parameter.value.withExposed(\.isEmpty) {
            if parameter.name == "token" { token = parameter.value }
            try client.take(parameter, profile)
        }
        guard let token else { throw .missing("token") }
        self.token = token
        origin = RequestOrigin(requestID: requestID, address: address)
        credentials = try ClientCredentials(client, authorization: authorization)
    }
}

/// Where a request comes from, as far as the log and the throttle want to know.
struct RequestOrigin: Sendable {
    /// Goes into the log.
    let requestID: String?
    /// Asked for only when something failed before; nil: not known, and failures are not counted.
    let address: @Sendable () -> String?
}
