public import VaultCore

/// Reads a provider's entry: YAML with the fields that docs/providers.md lists, and no others. Strict on
/// purpose: a misspelt field that is ignored may cost a refresh token later.
public enum ProviderReader {
    /// - Parameters:
    ///   - yaml: At most 64 KiB, one document, without anchors and aliases.
    ///   - file: The name of the file in errors.
    /// - Throws: ``VaultError/Code/invalidInput`` that names file, line and field; no value of the file is quoted.
    public static func read(_ yaml: String, file: String) throws(VaultError) -> Provider {
        var entry = try EntryFields(EntryText.parse(yaml, file: file))
        let name = try entry.require("name")
        var provider = Provider(
            name: try name.matching(isName, "must be lower-case letters, digits and hyphens, 64 at most"),
            title: try entry.require("title").text(), endpoints: .init(token: ""))
        if let defaults = try entry.take("defaults") { provider.defaults = try defaults.dictionary() }
        provider.endpoints = try endpoints(entry.require("endpoints"), filledBy: provider.defaults)
        if let node = try entry.take("client") { provider.client = try node.choice() }
        if let node = try entry.take("requests") { provider.requests = try requests(node) }
        if let node = try entry.take("replies") { provider.replies = try replies(node) }
        if let node = try entry.take("expiry") { provider.expiry = try expiry(node) }
        if let node = try entry.take("refresh") { provider.refresh = try refresh(node) }
        if let node = try entry.take("access_token") { provider.accessToken = try placement(node) }
        if let node = try entry.take("rate_limit") { provider.rateLimit = try rateLimit(node) }
        for node in try entry.take("sources")?.elements() ?? [] { provider.sources.append(try source(node)) }
        if let node = try entry.take("verified") { provider.isVerified = try node.bool() }
        try entry.finish()
        return provider
    }

    private static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { "abcdefghijklmnopqrstuvwxyz0123456789-".utf8.contains($0) }
    }

    private static func endpoints(
        _ node: EntryNode, filledBy defaults: [String: String]
    ) throws(VaultError) -> Provider.Endpoints {
        var fields = try EntryFields(node)
        var endpoints = Provider.Endpoints(token: "")
        endpoints.authorization = try fields.take("authorization")?.endpoint()
        let token = try fields.take("token")
        endpoints.token = try token?.endpoint() ?? ""
        endpoints.refresh = try fields.take("refresh")?.endpoint()
        endpoints.revocation = try fields.take("revocation")?.endpoint()
        endpoints.deviceAuthorization = try fields.take("device_authorization")?.endpoint()
        endpoints.issuer = try fields.take("issuer")?.endpoint()
        try fields.finish()
        guard token != nil || endpoints.issuer != nil else {
            throw node.fault("needs a token endpoint, or an issuer whose discovery document names it")
        }
        return endpoints
    }

    private static func source(_ node: EntryNode) throws(VaultError) -> Provider.Source {
        var fields = try EntryFields(node)
        let page = try fields.require("page").text()
        let day = try fields.require("day").matching(isDay, "must be a day such as 2026-11-24")
        try fields.finish()
        return Provider.Source(page: page, day: day)
    }

    private static func isDay(_ text: String) -> Bool { TimeText.read(text + "T00:00:00Z") != nil }
}

extension ProviderReader {
    static func requests(_ node: EntryNode) throws(VaultError) -> Provider.RequestForm {
        var fields = try EntryFields(node)
        var form = Provider.RequestForm()
        if let node = try fields.take("method") { form.method = try node.choice() }
        if let node = try fields.take("body") { form.body = try node.choice() }
        if let node = try fields.take("names") { form.names = try node.names(of: StandardNames.parameters) }
        if let node = try fields.take("grant_types") {
            form.grantTypes = try node.names(of: StandardNames.grantTypes)
        }
        if let node = try fields.take("authorize") {
            form.authorize = try node.parameters(without: StandardNames.ofConsent)
        }
        if let node = try fields.take("exchange") {
            form.exchange = try node.parameters(without: StandardNames.secrets)
        }
        if let node = try fields.take("refresh") {
            form.refresh = try node.parameters(without: StandardNames.secrets)
        }
        if let node = try fields.take("client_credentials") {
            form.clientCredentials = try node.parameters(without: StandardNames.secrets)
        }
        if let node = try fields.take("headers") { form.headers = try node.headers() }
        if let node = try fields.take("scope_separator") {
            form.scopeSeparator = try node.matching(
                { [" ", ",", ";", "|"].contains($0) }, "must be one of ' ' , ; |")
        }
        if let node = try fields.take("pkce") { form.usesPKCE = try node.bool() }
        if let node = try fields.take("callback") { form.keptCallbackParameters = try node.paths() }
        try fields.finish()
        return form
    }

    static func replies(_ node: EntryNode) throws(VaultError) -> Provider.ReplyForm {
        var fields = try EntryFields(node)
        var form = Provider.ReplyForm()
        if let node = try fields.take("access_token") { form.accessToken = try node.paths() }
        if let node = try fields.take("refresh_token") { form.refreshToken = try node.paths() }
        if let node = try fields.take("expiry") { form.expiry = try node.paths() }
        if let node = try fields.take("refresh_expiry") { form.refreshExpiry = try node.paths() }
        if let node = try fields.take("scope") { form.scope = try node.paths() }
        if let node = try fields.take("account") { form.account = try tokenless(node, form) }
        if let node = try fields.take("error") { form.error = try node.paths() }
        if let node = try fields.take("error_description") { form.errorDescription = try node.paths() }
        if let node = try fields.take("success") { form.success = try success(node) }
        if let node = try fields.take("error_codes") { form.errorCodes = try errorCodes(node) }
        if let node = try fields.take("dead_token") { form.deadToken = try deadTokens(node) }
        if let node = try fields.take("kept") {
            form.kept = try tokenless(node, form)
        }
        if let node = try fields.take("bare_token") { form.bareToken = try node.bool() }
        try fields.finish()
        return form
    }

    private static func tokenless(
        _ node: EntryNode, _ form: Provider.ReplyForm
    ) throws(VaultError) -> [String] {
        let paths = try node.paths()
        guard Set(paths).isDisjoint(with: form.accessToken + form.refreshToken + ["id_token"]) else {
            throw node.fault("names a token, which is kept elsewhere")
        }
        return paths
    }

    private static func success(_ node: EntryNode) throws(VaultError) -> Provider.SuccessMember {
        var fields = try EntryFields(node)
        let path = try fields.require("path").paths()
        let values = try fields.require("values").texts()
        try fields.finish()
        guard path.count == 1 else { throw node.fault("has more than one path") }
        return Provider.SuccessMember(path: path[0], values: values)
    }

    static func deadTokens(_ node: EntryNode) throws(VaultError) -> [Provider.DeadTokenRule] {
        let elements = try node.elements()
        guard (1...16).contains(elements.count) else { throw node.fault("must have 1 to 16 rules") }
        var rules: [Provider.DeadTokenRule] = []
        for element in elements { rules.append(try deadToken(element)) }
        return rules
    }

    private static func deadToken(_ node: EntryNode) throws(VaultError) -> Provider.DeadTokenRule {
        var fields = try EntryFields(node)
        var rule = Provider.DeadTokenRule()
        rule.status = try fields.take("status")?.integer(in: 200...599)
        rule.code = try fields.take("code")?.matching({ $0.utf8.count <= 128 }, "must have at most 128 bytes")
        rule.description = try fields.take("description")?.matching(
            isPattern, "must have 4 to 128 bytes beside each *, of which there may be 8")
        try fields.finish()
        guard rule.code != nil || rule.description != nil else {
            throw node.fault("needs a code or a description: a status alone says too little")
        }
        return rule
    }

    /// Not so short that it says nothing.
    private static func isPattern(_ text: String) -> Bool {
        let pieces = text.utf8.split(separator: UInt8(ascii: "*"))
        return (1...9).contains(pieces.count) && pieces.allSatisfy { (4...128).contains($0.count) }
    }

    private static func errorCodes(_ node: EntryNode) throws(VaultError) -> [String: String] {
        let codes = try node.dictionary()
        guard codes.values.allSatisfy(RefusalCode.isKnown) else {
            throw node.fault("maps to a code that no standard has; invalid_grant is what most need")
        }
        return codes
    }

    static func expiry(_ node: EntryNode) throws(VaultError) -> Provider.ExpiryRules {
        var fields = try EntryFields(node)
        var rules = Provider.ExpiryRules()
        if let node = try fields.take("form") { rules.form = try node.choice() }
        rules.defaultLifetime = try fields.take("default_lifetime")?.duration()
        rules.earliestRefresh = try fields.take("earliest_refresh")?.duration()
        rules.refreshIdle = try fields.take("refresh_idle")?.duration()
        rules.refreshAbsolute = try fields.take("refresh_absolute")?.duration()
        try fields.finish()
        return rules
    }

    static func refresh(_ node: EntryNode) throws(VaultError) -> Provider.RefreshRules {
        var fields = try EntryFields(node)
        var rules = Provider.RefreshRules()
        if let node = try fields.take("method") { rules.method = try node.choice() }
        if let node = try fields.take("rotates") { rules.rotates = try node.bool() }
        if let node = try fields.take("replay") { rules.replay = try replay(node) }
        try fields.finish()
        return rules
    }

    private static func replay(_ node: EntryNode) throws(VaultError) -> Provider.ReplayPolicy {
        let words = try node.text().split(separator: " ").map(String.init)
        let span = words.count == 2 ? EntryNode.duration(words[1]) : nil
        switch (words.first, words.count, span) {
        case ("tolerated", 1, _): return .tolerated
        case ("rejected", 1, _): return .rejected
        case ("revokes", 1, _): return .revokes
        case ("until_first_use", 1, _): return .untilFirstUse(nil)
        case ("until_first_use", 2, let span?): return .untilFirstUse(span)
        case ("within", 2, let span?): return .within(span)
        default:
            throw node.fault(
                "must be tolerated, rejected, revokes, until_first_use, until_first_use 30d, or within 10m")
        }
    }

    static func placement(_ node: EntryNode) throws(VaultError) -> Provider.AccessTokenPlacement {
        var fields = try EntryFields(node)
        let header = try fields.take("header")?.matching(StandardNames.isToken, "must be one word")
        let query = try fields.take("query")?.matching(StandardNames.isToken, "must be one word")
        try fields.finish()
        switch (header, query) {
        case (let scheme?, nil): return .header(scheme: scheme)
        case (nil, let parameter?): return .query(parameter: parameter)
        default: throw node.fault("must have either header or query")
        }
    }

    static func rateLimit(_ node: EntryNode) throws(VaultError) -> Provider.RateLimit {
        var fields = try EntryFields(node)
        let requests = try fields.require("requests").integer(in: 1...1_000_000)
        let period = try fields.require("per").duration()
        try fields.finish()
        return Provider.RateLimit(requests: requests, per: period)
    }
}

/// Names of the standards that an entry may rename, or must leave alone.
enum StandardNames {
    static let parameters: Set<String> = [
        "access_token", "client_id", "client_secret", "code", "code_challenge", "code_challenge_method",
        "code_verifier", "device_code", "grant_type", "nonce", "redirect_uri", "refresh_token",
        "response_type", "scope", "token", "token_type_hint",
    ]
    static let grantTypes: Set<String> = [
        "access_token", "authorization_code", "client_credentials", "refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code",
    ]
    /// Secret, or different every time: never a constant of an entry.
    static let secrets: Set<String> = [
        "access_token", "client_secret", "code", "code_verifier", "device_code", "refresh_token", "token",
    ]
    /// What ties a callback to the browser that began: not the entry's to set.
    static let ofConsent: Set<String> = secrets.union([
        "client_id", "code_challenge", "code_challenge_method", "nonce", "redirect_uri", "state",
    ])
    /// Headers that belong to the client or the connection.
    static let headers: Set<String> = [
        "authorization", "connection", "content-length", "cookie", "host", "te", "transfer-encoding",
        "upgrade",
    ]

    /// RFC 9110 section 5.6.2 `token`: names of headers and of schemes.
    static func isToken(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && !#""(),/:;<=>?@[\]{}"#.utf8.contains($0) }
    }

    /// A parameter of a form: printable, without spaces.
    static func isParameter(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }
}
