/// The error of a failed consent: a code to switch on, a sentence for the user, and one for the
/// operator. Equality looks at the code alone.
public struct KeeperError: Error, Sendable {
    /// The code of the error; new ones may appear in any release.
    public struct Code: RawRepresentable, Sendable, Hashable {
        public let rawValue: String

        public init(rawValue: String) { self.rawValue = rawValue }
    }

    public let code: Code
    /// The sentence for the user, without the provider's text and without help for an attacker.
    public let message: String
    /// The sentence for the log: bounded, without secrets.
    public let diagnostic: String

    package init(_ code: Code, _ message: String, diagnostic: String = "") {
        self.code = code
        self.message = message
        self.diagnostic = diagnostic
    }
}

extension KeeperError.Code {
    private static func code(_ name: String) -> Self { Self(rawValue: name) }

    /// The callback is malformed, was used before, has expired, or belongs to another browser session.
    public static let unknownCallback = code("unknown_callback")
    /// The callback comes from another issuer than the user was sent to (RFC 9207).
    public static let wrongIssuer = code("wrong_issuer")
    /// The provider's ID token belongs to another consent than the one that was begun: its tokens are not used.
    public static let wrongIDToken = code("wrong_id_token")
    /// The user chose another account of the provider than the connected one, which stays connected.
    public static let otherAccount = code("other_account")
    /// The user refused at the provider.
    public static let accessDenied = code("access_denied")
    /// The provider refused the request or the code.
    public static let refused = code("refused")
    /// The provider refused our client.
    public static let clientRefused = code("client_refused")
    /// The provider did not answer, or its answer cannot be read: the user may begin again.
    public static let unavailable = code("unavailable")
    /// The provider answered with tokens that cannot be read: they are kept, an operator can read them again.
    public static let unreadableReply = code("unreadable_reply")
    /// The provider's entry does not support this.
    public static let notSupported = code("not_supported")
}

extension KeeperError {
    static let unknown = KeeperError(
        .unknownCallback,
        "This page was used before, has expired, or belongs to another browser. Begin again.")

    static let wrongConsent = KeeperError(
        .wrongIDToken, "The provider's answer belongs to another consent. Begin again.",
        diagnostic: "The ID token does not have the nonce of this consent")

    static let otherAccount = KeeperError(
        .otherAccount,
        "You chose another account than the connected one. Begin again with the connected account.",
        diagnostic: "The provider names another account than before")

    /// No answer that counts.
    static func silent(_ diagnostic: String) -> KeeperError {
        KeeperError(
            .unavailable, "The provider did not answer. Begin again in a minute.", diagnostic: diagnostic)
    }

    /// - Parameter what: what the provider does not accept.
    init(_ refusal: ProviderRefusal, of what: String = "the request") {
        self =
            refusal.kind.isOfClient
            ? KeeperError(
                .clientRefused, "The provider does not accept this service at the moment.",
                diagnostic: refusal.diagnostic)
            : KeeperError(
                .refused, "The provider did not accept \(what). Begin again.",
                diagnostic: refusal.diagnostic)
    }
}

extension KeeperError: Equatable {
    public static func == (left: KeeperError, right: KeeperError) -> Bool { left.code == right.code }
}

extension KeeperError: CustomStringConvertible {
    public var description: String { "\(code.rawValue): \(message)" }
}
