import VaultCore

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
        if let node = try fields.take("error") { form.error = try node.paths() }
        if let node = try fields.take("error_description") { form.errorDescription = try node.paths() }
        if let node = try fields.take("success") { form.success = try success(node) }
        if let node = try fields.take("error_codes") { form.errorCodes = try errorCodes(node) }
        if let node = try fields.take("dead_token") { form.deadToken = try deadTokens(node) }
        if let node = try fields.take("kept") {
            form.kept = try node.paths()
            guard Set(form.kept).isDisjoint(with: form.accessToken + form.refreshToken + ["id_token"]) else {
                throw node.fault("names a token, which is kept elsewhere")
            }
        }
        if let node = try fields.take("bare_token") { form.bareToken = try node.bool() }
        try fields.finish()
        return form
    }

    private static func success(_ node: EntryNode) throws(VaultError) -> Provider.SuccessMember {
        var fields = try EntryFields(node)
        let path = try fields.require("path").paths()
        let values = try fields.require("values").texts()
        try fields.finish()
        guard path.count == 1 else { throw node.fault("has more than one path") }
        return Provider.SuccessMember(path: path[0], values: values)
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
