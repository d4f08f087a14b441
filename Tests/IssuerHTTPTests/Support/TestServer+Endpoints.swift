import IssuerHTTP
import Testing
import TokenIssuer
import TokenVault
import VaultCore

extension TestServer {
    /// Serves with OpenID Connect on, by keys that sign nothing.
    static func runOpenID(
        _ profile: IssuerProfile = .standard, claims: ClaimSource = .none, issuer: String? = nil,
        _ body: @Sendable (TestServer) async throws -> Void
    ) async throws {
        try await run(
            profile,
            configure: { configuration, _ in
                configuration.idTokens = FixedKeys()
                configuration.claims = claims
                configuration.issuer = issuer
            }, body)
    }

    /// A request without a body.
    func send(_ method: String = "GET", _ path: String, _ headers: [String] = []) async throws -> Reply {
        let wire = try Wire(port: port)
        let head = (["\(method) \(path) HTTP/1.1", "Host: issuer.example"] + headers).joined(
            separator: "\r\n")
        try await wire.send(head + "\r\n\r\n")
        return try await wire.reply(toHead: method == "HEAD")
    }

    func revoke(_ token: String?, _ party: Party, hint: String? = nil) async throws -> Reply {
        try await show(token, party, hint: hint, path: "/oauth2/revoke")
    }

    func introspect(_ token: String?, _ party: Party, hint: String? = nil) async throws -> Reply {
        try await show(token, party, hint: hint, path: "/oauth2/introspect")
    }

    /// A public client names itself in the body.
    private func show(_ token: String?, _ party: Party, hint: String?, path: String) async throws -> Reply {
        var body = "token=\(Self.encode(try #require(token)))"
        if let hint { body += "&token_type_hint=\(Self.encode(hint))" }
        guard party.secret != nil else {
            return try await post(body: body + "&client_id=\(party.id)", path: path)
        }
        return try await post(body: body, headers: ["Authorization: \(party.basic)"], path: path)
    }

    /// Tokens of a public client.
    func publicTokens(_ phone: Party) async throws -> Reply {
        let verifier = String(repeating: "v", count: 43)
        let code = try await code(phone, challenge: "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM")
        return try await post([
            "grant_type": "authorization_code", "code": code, "redirect_uri": Party.redirectURI,
            "client_id": phone.id, "code_verifier": verifier,
        ])
    }
}

/// Switches OpenID Connect on where a test looks at no id_token.
struct FixedKeys: IDTokenMinting {
    static let keySet = #"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"AAAA"}]}"#

    func mint(_ claims: IDTokenClaims, algorithm: SigningAlgorithm) async throws -> SecretBytes {
        SecretBytes(copying: "not.signed.atall")
    }

    func keySet() async throws -> [UInt8] { Array(Self.keySet.utf8) }

    /// A hint is `issuer client subject`.
    func read(hint token: SecretBytes, issuer: String) async throws -> IDTokenHint? {
        let parts = token.text.split(separator: " ").map(String.init)
        return parts.count == 3 && parts[0] == issuer
            ? IDTokenHint(subject: parts[2], client: parts[1]) : nil
    }

    func algorithms() async throws -> [SigningAlgorithm] { [.rs256, .edDSA] }
}
