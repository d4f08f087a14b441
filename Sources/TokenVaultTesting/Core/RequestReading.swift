import Foundation
import TokenKeeper
import VaultCore

/// The parameters of a request, asked for by the standard's names.
struct RequestParameters: Sendable {
    private let values: [String: String]
    private let names: [String: String]

    /// RFC 6749 section 3.2: parameters "MUST NOT be included more than once".
    init(_ pairs: [(name: String, value: String)], names: [String: String]) throws(OAuthProblem) {
        var values: [String: String] = [:]
        for pair in pairs {
            guard values.updateValue(pair.value, forKey: pair.name) == nil else {
                throw .request("The parameter \(pair.name) came twice.")
            }
        }
        self.values = values
        self.names = names
    }

    /// Nil if it is absent or empty, which section 3.1 treats alike.
    subscript(standard: String) -> String? {
        let value = values[names[standard] ?? standard] ?? ""
        return value.isEmpty ? nil : value
    }

    /// Under the very name.
    func verbatim(_ name: String) -> String? { values[name] }

    func required(_ standard: String) throws(OAuthProblem) -> String {
        guard let value = self[standard] else {
            throw .request("The parameter \(names[standard] ?? standard) is missing.")
        }
        return value
    }
}

/// Takes requests in the way that the entry of a provider says, and in no other.
extension ScriptedState {
    /// What came to the token endpoint.
    func tokenParameters(_ request: ScriptedRequest) throws(OAuthProblem) -> RequestParameters {
        guard request.method == entry.requests.method.rawValue else {
            throw OAuthProblem("invalid_request", "The method is not taken here.", status: 405)
        }
        let query = try form(request.query)
        var pairs: [(name: String, value: String)] = []
        switch (entry.requests.method, entry.requests.body) {
        case (.get, _):
            guard request.body.isEmpty else { throw .request("GET has no body.") }
            pairs = query
        // Credentials may come in a body of their own.
        case (.post, .query): pairs = try query + form(request.body)
        case (.post, .form):
            try expect("application/x-www-form-urlencoded", request)
            pairs = try form(request.body)
        case (.post, .json):
            try expect("application/json", request)
            pairs = try json(request.body)
        }
        for (name, value) in entry.requests.headers where !value.contains("{") {
            guard request.header(name.lowercased()) == value else {
                throw .request("The header \(name) is missing or another.")
            }
        }
        return try RequestParameters(pairs, names: entry.requests.names)
    }

    /// What came to an endpoint beside: in the query, in a form or as JSON.
    func otherParameters(_ request: ScriptedRequest) throws(OAuthProblem) -> RequestParameters {
        var pairs = try form(request.query)
        let isJSON = request.header("content-type")?.hasPrefix("application/json") ?? false
        pairs += isJSON ? try json(request.body) : try form(request.body)
        return try RequestParameters(pairs, names: entry.requests.names)
    }

    /// RFC 6749 section 2.3, in the one way of the entry: "The client MUST NOT use more than one".
    func authenticate(_ request: ScriptedRequest, _ parameters: RequestParameters) throws(OAuthProblem) {
        let header = request.header("authorization")
        let posted = (id: parameters["client_id"], secret: parameters["client_secret"])
        let isRight =
            switch entry.client {
            case .basic: isEncodedBasic(header)
            case .basicRaw: header == basic(options.clientID, options.clientSecret)
            case .basicSecretOnly: header == basic(options.clientSecret, "")
            case .post:
                header == nil && posted.id == options.clientID && posted.secret == options.clientSecret
            case .none: header == nil && posted.id == options.clientID && posted.secret == nil
            }
        let isSecretTwice = header != nil && posted.secret != nil
        guard isRight, !isSecretTwice else { throw .client(triedHeader: header != nil) }
    }

    /// Names between separators of the entry.
    func scopeNames(_ text: String?) -> [String]? {
        text.map { $0.split(separator: entry.requests.scopeSeparator).map(String.init) }
    }

    /// Section 2.3.1: each "is encoded using the application/x-www-form-urlencoded encoding algorithm", a space in either spelling.
    private func isEncodedBasic(_ header: String?) -> Bool {
        guard let header, header.hasPrefix("Basic "), let pair = Base64.decode(header.dropFirst(6).utf8)
        else {
            return false
        }
        let parts = pair.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        return parts.count == 2 && FormCoding.decode(parts[0]) == Array(options.clientID.utf8)
            && FormCoding.decode(parts[1]) == Array(options.clientSecret.utf8)
    }

    private func basic(_ user: String, _ password: String) -> String {
        "Basic " + Base64.encode(Array((user + ":" + password).utf8))
    }

    private func expect(_ mediaType: String, _ request: ScriptedRequest) throws(OAuthProblem) {
        let type = request.header("content-type")?.split(separator: ";").first.map(String.init)
        guard type?.lowercased() == mediaType else { throw .request("The media type is not \(mediaType).") }
    }

    private func form(_ bytes: [UInt8]) throws(OAuthProblem) -> [(name: String, value: String)] {
        guard let pairs = FormCoding.pairs(bytes) else { throw .request("This is no form.") }
        return pairs
    }

    private func json(_ bytes: [UInt8]) throws(OAuthProblem) -> [(name: String, value: String)] {
        guard let members = try? JSONDecoder().decode([String: String].self, from: Data(bytes)) else {
            throw .request("This is no JSON object of strings.")
        }
        return members.map { ($0.key, $0.value) }
    }
}

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
