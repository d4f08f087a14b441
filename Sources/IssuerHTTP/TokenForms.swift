import TokenIssuer
import TokenVault
import VaultCore

// Forms that clients send, taken apart and not judged.

extension TokenRequest {
    /// Reads a form for the token endpoint (RFC 6749 sections 4.1.3, 4.4.2 and 6).
    ///
    /// - Throws: `invalid_request`, `unsupported_grant_type`. What else is wrong only the client that it is from gets to hear.
    init(_ sent: FormRoute.Submission, _ profile: IssuerProfile) throws(OAuthError) {
        var fields = TokenFields()
        var client = CredentialParameters()
        for parameter in try sent.parameters() where !parameter.value.withExposed({ $0.isEmpty }) {
            if !fields.take(parameter) { try client.take(parameter, profile) }
        }
        self.init(
            try fields.grant(), for: fields.resource.flatMap(ResourceIdentifier.init),
            from: try ClientCredentials(client, authorization: sent.authorization), sent.origin,
            isLegacyGet: sent.isInQuery)
    }
}

/// A form for the revocation or introspection endpoint (RFC 7009 section 2.1, RFC 7662 section 2.1): a token, and the client
/// that shows it. `token_type_hint` is not looked at: what kind a token is, it says itself.
struct ShownToken {
    let token: SecretBytes
    let credentials: ClientCredentials

    /// - Throws: `invalid_request`.
    init(_ sent: FormRoute.Submission, _ profile: IssuerProfile) throws(OAuthError) {
        var token: SecretBytes?
        var client = CredentialParameters()
        for parameter in try sent.parameters() where !parameter.value.withExposed({ $0.isEmpty }) {
            if parameter.name == "token" { token = parameter.value }
            try client.take(parameter, profile)
        }
        guard let token else { throw .missing("token") }
        self.token = token
        credentials = try ClientCredentials(client, authorization: sent.authorization)
    }
}

extension FormRoute.Submission {
    /// With those that are empty: RFC 6749 section 3.2: "Parameters sent without a value MUST be treated as if they were
    /// omitted from the request. The authorization server MUST ignore unrecognized request parameters."
    fileprivate func parameters() throws(OAuthError) -> [FormParameter] {
        do { return try FormCoding.strictPairs(form) } catch { throw OAuthError(error) }
    }
}

/// What the body says about the tokens that are wanted.
private struct TokenFields {
    private var grantType: String?
    private var code: SecretBytes?
    private var refreshToken: SecretBytes?
    private var codeVerifier: SecretBytes?
    private var redirectURI: String?
    private var scope: String?
    private(set) var resource: String?

    /// Whether the parameter is one of these.
    mutating func take(_ parameter: FormParameter) -> Bool {
        switch parameter.name {
        case "grant_type": grantType = parameter.text
        case "code": code = parameter.value
        case "refresh_token": refreshToken = parameter.value
        case "code_verifier": codeVerifier = parameter.value
        case "redirect_uri": redirectURI = parameter.text
        case "scope": scope = parameter.text
        case "resource": resource = parameter.text
        default: return false
        }
        return true
    }

    func grant() throws(OAuthError) -> TokenRequest.Grant {
        guard let grantType else { throw .missing("grant_type") }
        guard let type = GrantType(rawValue: grantType) else { throw .unsupportedGrantType }
        guard resource.map({ ResourceIdentifier($0) != nil }) ?? true else {
            return .incomplete(type, .invalidTarget, .malformedResource)
        }
        let asked = scope.flatMap { ScopeSet(parsing: $0) }
        let isScopeMalformed = scope != nil && asked == nil
        switch type {
        case .authorizationCode:
            guard let code else { return .incomplete(type, .missingParameter, .missing("code")) }
            return .authorizationCode(code, redirectURI: redirectURI, codeVerifier: codeVerifier)
        case .refreshToken:
            guard let refreshToken else {
                return .incomplete(type, .missingParameter, .missing("refresh_token"))
            }
            guard !isScopeMalformed else { return .incomplete(type, .malformedScope, .malformedScope) }
            return .refreshToken(refreshToken, scope: asked)
        case .clientCredentials:
            guard !isScopeMalformed else { return .incomplete(type, .malformedScope, .malformedScope) }
            return .clientCredentials(scope: asked)
        }
    }
}

/// What the body says about the client.
private struct CredentialParameters {
    fileprivate var clientID: String?
    fileprivate var secret: SecretBytes?
    /// `client_assertion` (RFC 7521 section 4.2).
    fileprivate var assertion: SecretBytes?
    /// `client_assertion_type`.
    fileprivate var assertionType: String?

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

extension ClientCredentials {
    /// RFC 7523 section 2.2.
    private static let assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

    /// - Parameter authorization: the values of all `Authorization` headers.
    fileprivate init(_ parameters: CredentialParameters, authorization: [String]) throws(OAuthError) {
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
            if case .secret(_, let clientID, _) = self, let named = parameters.clientID, named != clientID {
                throw .invalidRequest("The client_id in the body is not the one in the Authorization header.")
            }
        } else if let assertion = parameters.assertion {
            guard parameters.assertionType == Self.assertionType else {
                throw .invalidRequest("The client_assertion_type is not \(Self.assertionType).")
            }
            self = .assertion(assertion, clientID: parameters.clientID)
        } else if let clientID = parameters.clientID {
            self =
                parameters.secret.map { .secret($0, clientID: clientID, method: .post) }
                ?? .publicClient(clientID: clientID)
        } else {
            self = .absent
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
        else { return .absent }
        return .secret(SecretBytes(secret), clientID: clientID, method: .basic)
    }
}

extension OAuthError {
    fileprivate static let twoSpellings = invalidRequest(
        "The request names its client, or the secret, in two spellings. Use one.")
}
