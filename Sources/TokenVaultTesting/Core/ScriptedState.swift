import TokenKeeper
import VaultCore

/// Everything a scripted server remembers, and the way of a request through it.
struct ScriptedState: Sendable {
    struct Code: Sendable {
        var scope: [String]
        var challenge: String?
        var redirectURI: String
        var expiresAt: VaultInstant
        /// What it was exchanged for.
        var family: Int?
    }

    let entry: Provider
    var options: ScriptedOptions { didSet { book.options = options } }
    var book: GrantBook
    var random: SplitMix64
    var codes: [String: Code] = [:]
    var devices: [String: DeviceGrant] = [:]
    var rateWindow: (start: VaultInstant, count: Int)?

    var faults: FaultScript
    /// Requests to each endpoint.
    var counts: [ScriptedEndpoint: Int] = [:]
    private var dice: SplitMix64

    init(entry: Provider, options: ScriptedOptions, seed: UInt64, faults: FaultScript) {
        self.entry = entry
        self.options = options
        self.faults = faults
        // Dice of their own, so that a change of the faults leaves the tokens what they were.
        dice = SplitMix64(seed: seed ^ 0xFA17)
        book = GrantBook(options: options, provider: entry)
        random = SplitMix64(seed: seed)
    }

    mutating func nextFault(for request: ScriptedRequest) -> ScriptedFault? {
        guard let endpoint = ScriptedEndpoint(path: request.path)?.counted else { return nil }
        counts[endpoint, default: 0] += 1
        let fraction = endpoint == .token ? dice.fraction() : 1
        return faults.fault(at: counts[endpoint, default: 0], of: endpoint, fraction: fraction)
    }

    /// Acts on a request and answers it.
    mutating func answer(
        _ request: ScriptedRequest, at now: VaultInstant, isExpiryReadable: Bool = true
    ) -> ScriptedAnswer {
        let endpoint = ScriptedEndpoint(path: request.path)
        var answer: ScriptedAnswer
        do throws(OAuthProblem) {
            switch endpoint {
            case .token:
                answer = try token(request, isRefreshOnly: false, at: now, isExpiryReadable)
            case .refresh where entry.endpoints.refresh != nil:
                answer = try token(request, isRefreshOnly: true, at: now, isExpiryReadable)
            case .authorize where entry.endpoints.authorization != nil: answer = authorize(request, at: now)
            case .revoke where entry.endpoints.revocation != nil: answer = try revoke(request)
            case .device where entry.endpoints.deviceAuthorization != nil:
                answer = try deviceAuthorization(request, at: now)
            case .resource: answer = resource(request, at: now)
            case .discovery where entry.endpoints.issuer != nil: answer = discovery(request)
            default: answer = ScriptedAnswer(status: 404)
            }
        } catch {
            answer = refusal(error, isRefresh: endpoint == .refresh || isRefresh(request))
        }
        answer.headers.append(("Date", now.fixdate))
        return answer
    }

    /// RFC 7009 section 2.2: "invalid tokens do not cause an error response".
    private mutating func revoke(_ request: ScriptedRequest) throws(OAuthProblem) -> ScriptedAnswer {
        guard request.method == "POST" else { throw OAuthProblem("invalid_request", status: 405) }
        let parameters = try otherParameters(request)
        try authenticate(request, parameters)
        book.revoke(token: try parameters.required("token"))
        return ScriptedAnswer(status: 200)
    }

    /// RFC 6750 section 2: clients "MUST NOT use more than one method to transmit the token in each request".
    private mutating func resource(_ request: ScriptedRequest, at now: VaultInstant) -> ScriptedAnswer {
        let query = FormCoding.pairs(request.query) ?? []
        let parameter = if case .query(let name) = entry.accessToken { name } else { "access_token" }
        let inQuery = query.first { $0.name == parameter }?.value
        let header = request.header("authorization")
        var token: String?
        switch entry.accessToken {
        case _ where inQuery != nil && header != nil: return refusedResource(400, "invalid_request")
        case .query: token = inQuery
        case .header(let scheme):
            let words = (header ?? "").split(separator: " ", maxSplits: 1).map(String.init)
            if words.count == 2, words[0].lowercased() == scheme.lowercased() { token = words[1] }
        }
        guard let token, book.use(accessToken: token, at: now) else {
            return refusedResource(401, token == nil ? nil : "invalid_token")
        }
        return ScriptedAnswer(
            status: 200, headers: [("Content-Type", "application/json")], body: Array(#"{"ok":true}"#.utf8))
    }

    private func refusedResource(_ status: Int, _ code: String?) -> ScriptedAnswer {
        let challenge = #"Bearer realm="scripted""# + (code.map { #", error="\#($0)""# } ?? "")
        return ScriptedAnswer(status: status, headers: [("WWW-Authenticate", challenge)])
    }

    /// RFC 8414, for the address under which the server was asked.
    private func discovery(_ request: ScriptedRequest) -> ScriptedAnswer {
        var tree = ReplyTree.object([])
        let base = request.header("host").map { "http://" + $0 }
        if let issuer = issuer(request) { tree.set("issuer", to: .text(issuer)) }
        let members: [(ScriptedEndpoint, String)] = [
            (.authorize, "authorization_endpoint"), (.token, "token_endpoint"),
            (.revoke, "revocation_endpoint"), (.device, "device_authorization_endpoint"),
        ]
        for (endpoint, member) in members {
            guard let address = endpoint.address(in: entry.endpoints) else { continue }
            tree.set(member, to: .text(base.map { $0 + endpoint.path } ?? address))
        }
        tree.set("response_types_supported", to: .array([.text("code")]))
        if entry.requests.usesPKCE {
            tree.set("code_challenge_methods_supported", to: .array([.text("S256")]))
        }
        return ScriptedAnswer(
            status: 200, headers: [("Content-Type", "application/json")], body: Array(tree.json.utf8))
    }

    /// The entry's own name in process, the local address over HTTP.
    func issuer(_ request: ScriptedRequest) -> String? {
        entry.endpoints.issuer.map { issuer in request.header("host").map { "http://" + $0 } ?? issuer }
    }

    /// For the wording of an error alone.
    private func isRefresh(_ request: ScriptedRequest) -> Bool {
        guard let parameters = try? tokenParameters(request) else { return false }
        return parameters["grant_type"] == entry.requests.grantTypes[refreshType] ?? refreshType
    }

    /// The grant type of a refresh, before the entry renames it.
    var refreshType: String { entry.refresh.method == .accessToken ? "access_token" : "refresh_token" }
}

/// Everything random of a scripted server, from one number: what failed with a seed fails with it again.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// From 0 up to but not including 1.
    mutating func fraction() -> Double { Double(next() >> 11) / Double(1 << 53) }

    /// 32 characters of base64url behind a prefix that tells a reader what it is.
    mutating func token(_ prefix: String) -> String {
        var bytes: [UInt8] = []
        for _ in 0..<3 { withUnsafeBytes(of: next().bigEndian) { bytes += $0 } }
        return prefix + Base64URL.encodeToString(bytes)
    }
}
