package import VaultCore

/// An error for the client: the `error` of RFC 6749 section 5.2 with its HTTP status and headers.
/// Descriptions help the client's developer and repeat nothing of the request; what exactly was wrong with
/// a credential is in the audit log alone.
public struct OAuthError: Error, Sendable, Equatable {
    /// The error code; later grants and endpoints add to the set.
    public struct Code: RawRepresentable, Sendable, Hashable {
        public let rawValue: String

        public init(rawValue: String) {
            self.rawValue = rawValue
        }

        public static let invalidRequest = Code(rawValue: "invalid_request")
        public static let invalidClient = Code(rawValue: "invalid_client")
        public static let invalidGrant = Code(rawValue: "invalid_grant")
        public static let unauthorizedClient = Code(rawValue: "unauthorized_client")
        public static let unsupportedGrantType = Code(rawValue: "unsupported_grant_type")
        public static let invalidScope = Code(rawValue: "invalid_scope")
        /// RFC 8707 section 2: the `resource` is malformed, or another one than the grant's.
        public static let invalidTarget = Code(rawValue: "invalid_target")
        /// RFC 7591 section 3.2.2: a member of a registration is wrong.
        public static let invalidClientMetadata = Code(rawValue: "invalid_client_metadata")
        /// RFC 7591 section 3.2.2: a redirect URI of a registration is wrong.
        public static let invalidRedirectURI = Code(rawValue: "invalid_redirect_uri")
        /// The client should wait and send the same request again; nothing was changed, no token was spent.
        public static let temporarilyUnavailable = Code(rawValue: "temporarily_unavailable")
        public static let serverError = Code(rawValue: "server_error")
        /// RFC 6750 section 3.1: the access token is expired, revoked, malformed, or was never one.
        public static let invalidToken = Code(rawValue: "invalid_token")
        /// RFC 6750 section 3.1: the scope of the access token is too small.
        public static let insufficientScope = Code(rawValue: "insufficient_scope")
    }

    public let code: Code
    /// The status of the HTTP response.
    public let status: Int
    /// `error_description`.
    public let description: String
    /// Seconds, for the `Retry-After` header.
    public let retryAfter: Int?
    /// Whether the response has `WWW-Authenticate: Basic`.
    public let challengesBasic: Bool

    public init(
        _ code: Code, status: Int = 400, _ description: String, retryAfter: Int? = nil,
        challengesBasic: Bool = false
    ) {
        self.code = code
        self.status = status
        // RFC 6749 section 5.2: "Values for the "error_description" parameter MUST NOT include characters outside
        // the set %x20-21 / %x23-5B / %x5D-7E." With them gone the text needs no escaping in JSON either.
        self.description = String(
            description.unicodeScalars.filter { (0x20...0x7E).contains($0.value) && $0 != "\"" && $0 != "\\" }
                .map(Character.init))
        self.retryAfter = retryAfter
        self.challengesBasic = challengesBasic
    }
}

extension OAuthError {
    // RFC 6749 section 5.2 asks for 401 and `WWW-Authenticate` where the header was used; every case gets them here.

    /// One text for every cause: it must not tell which client identifiers exist.
    package static let invalidClient = OAuthError(
        .invalidClient, status: 401,
        "Client authentication failed: unknown or disabled client, wrong or expired secret, no authentication, "
            + "or a method this client is not registered for.",
        challengesBasic: true)

    /// Too many failures of one client at one address: until the wait is over, what is wrong is told no better.
    package static func throttled(_ wait: Duration) -> OAuthError {
        OAuthError(
            .temporarilyUnavailable, status: 429,
            "Authentication failed too often from this address. Wait before the next attempt.",
            retryAfter: Int(clamping: (wait.milliseconds + 999) / 1000))
    }

    static let unauthorizedClient = OAuthError(
        .unauthorizedClient, "The client is not registered for this grant_type.")

    package static let unsupportedGrantType = OAuthError(
        .unsupportedGrantType,
        "The grant_type is not one of authorization_code, refresh_token and client_credentials.")

    package static let malformedScope = OAuthError(
        .invalidScope,
        "The scope is malformed: names without quotes or backslashes, single spaces between them.")

    static let scopeExceeded = OAuthError(
        .invalidScope, "The scope asks for more than was granted to this client.")

    static let changedScope = OAuthError(
        .invalidScope, "A refresh that is repeated must ask for the scope it asked for the first time.")

    package static let malformedResource = OAuthError(
        .invalidTarget,
        "The resource is malformed: an absolute URI without fragment, of at most \(Limits.resourceBytes) bytes."
    )

    static let otherResource = OAuthError(
        .invalidTarget,
        "The tokens of this grant are for another resource, or a repeated refresh asks for another.")

    package static func invalidRequest(_ description: String) -> OAuthError {
        OAuthError(.invalidRequest, description)
    }

    package static func missing(_ parameter: StaticString) -> OAuthError {
        invalidRequest("The parameter \(parameter) is missing.")
    }

    /// What decides is damaged, newer elsewhere, or locked: only an operator can help.
    package static let undecidable = OAuthError(
        .temporarilyUnavailable, status: 503,
        "The server cannot decide about this request now; nothing was changed. Send the same request again later.",
        retryAfter: 60)
}

extension OAuthError {
    /// - Parameter text: what was read, as the beginning of a sentence.
    package init(_ error: FormError, in text: String = "The body") {
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

    /// What a failure of the vault is to a client: storage trouble is never the token's fault.
    init(_ error: VaultError) {
        switch error.code {
        case .denied, .notFound: self = .invalidClient
        case .integrity, .notAVault, .schemaChanged, .schemaNewer, .locked, .permissionDenied:
            self = .undecidable
        case .unavailable:
            self.init(
                .temporarilyUnavailable, status: 503, Self.undecidable.description, retryAfter: 10)
        case .outcomeUnknown:
            self.init(
                .temporarilyUnavailable, status: 503,
                "The disk failed, and whether the request took effect is not known. Repeat a refresh; for a code, "
                    + "ask for authorization again.", retryAfter: 10)
        case _ where error.isTransient:
            self.init(
                .temporarilyUnavailable, status: 503,
                "The server is busy or short of space; nothing was changed. Send the same request again.",
                retryAfter: error.code == .busy ? 1 : 10)
        default: self.init(.serverError, status: 500, "The server failed; it has told its operator why.")
        }
    }
}

extension OAuthError.Code {
    public static let accessDenied = Self(rawValue: "access_denied")
    public static let unsupportedResponseType = Self(rawValue: "unsupported_response_type")
    public static let loginRequired = Self(rawValue: "login_required")
    public static let consentRequired = Self(rawValue: "consent_required")
    public static let requestNotSupported = Self(rawValue: "request_not_supported")
    public static let requestURINotSupported = Self(rawValue: "request_uri_not_supported")
    public static let registrationNotSupported = Self(rawValue: "registration_not_supported")
}

extension OAuthError {
    static let userDisabled = OAuthError(.accessDenied, "The user may not sign in here any more.")

    static let challengeMethod = invalidRequest(
        "The code_challenge_method must be S256, and come with a code_challenge.")
}
