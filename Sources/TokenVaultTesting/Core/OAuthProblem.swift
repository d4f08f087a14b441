/// An OAuth error on its way to the client, by the standard's name of it.
struct OAuthProblem: Error, Sendable {
    var code: String
    var description: String
    /// Nil: what the provider has for errors.
    var status: Int?
    var headers: [(name: String, value: String)] = []

    init(_ code: String, _ description: String = "", status: Int? = nil) {
        self.code = code
        self.description = description
        self.status = status
    }

    static func grant(_ description: String) -> Self { Self("invalid_grant", description) }

    static func request(_ description: String) -> Self { Self("invalid_request", description) }

    /// RFC 6749 section 5.2: 401 with a challenge if the client tried the header.
    static func client(triedHeader: Bool) -> Self {
        var problem = Self(
            "invalid_client", "Identifier, secret or the way they came are wrong.", status: 401)
        if triedHeader { problem.headers = [("WWW-Authenticate", #"Basic realm="scripted""#)] }
        return problem
    }
}
