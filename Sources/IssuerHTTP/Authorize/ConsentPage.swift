public import Hummingbird
import TokenIssuer

/// Asks the user whether a client may have what it asks for. Replace it to ask in the host's own words and
/// looks.
public protocol ConsentPage: Sendable {
    /// A page with a form that posts to ``ConsentQuestion/action``.
    ///
    /// Its fields: `form`, with the value of ``ConsentQuestion/form``, and `decision`, `allow` or `deny`. Leave
    /// `form-action` out of the page's Content-Security-Policy: browsers apply it to every redirect after the form,
    /// so it would stop clients whose callback redirects on.
    func response(to question: ConsentQuestion, for request: Request) async throws -> Response
}

/// What the user is asked.
public struct ConsentQuestion: Sendable {
    /// As registered: text from outside where clients register themselves.
    public let clientName: String
    public let clientID: String
    public let userName: String
    public let scopes: [ScopeDescription]
    /// Where the browser goes then, for people.
    public let destination: String
    /// Path to post to.
    public let action: String
    /// Goes into the hidden field `form`: it binds the answer to this request, user and session.
    public let form: String
}

/// A name in a scope, and what it allows.
public struct ScopeDescription: Sendable {
    public let name: String
    /// Nil: nobody described it.
    public let text: String?
}

/// What the names in scopes allow, in the words of the consent page.
public struct ScopeDescriptions: Sendable {
    private let own: [String: String]

    /// - Parameter texts: by name of scope; added to ``standard``, which they may override.
    public init(_ texts: [String: String]) { own = texts }

    /// Those of OpenID Connect and of the QuantiModo API. `profile` and `email` are described where the
    /// issuer tells such claims (`UserClaims`), and shown by name elsewhere.
    public static let standard = ScopeDescriptions([:])

    /// - Parameter claims: what the issuer tells of users.
    func describe(_ names: [String], telling claims: [String]) -> [ScopeDescription] {
        names.map { name in
            let isTold = Self.claims[name].map { !$0.isDisjoint(with: claims) } ?? true
            return ScopeDescription(name: name, text: own[name] ?? (isTold ? Self.builtIn[name] : nil))
        }
    }

    /// The claims that a text promises (OpenID Connect Core section 5.4).
    private static let claims: [String: Set<String>] = [
        "profile": ["name", "given_name", "family_name", "nickname", "preferred_username"],
        "email": ["email"],
    ]

    private static let builtIn = [
        "openid": "Know who you are when you sign in",
        "profile": "See your profile, such as your name",
        "email": "See your email address",
        "offline_access": "Keep this access while you are away, until you withdraw it",
        "basic": "See your basic account information, such as your display name",
        "readmeasurements": "Read your measurements",
        "writemeasurements": "Add and change your measurements",
    ]
}
