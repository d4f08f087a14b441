public import VaultCore

/// Reads a provider's entry: YAML with the fields that docs/providers.md lists, and no others. Strict on
/// purpose: a misspelt field that is passed over costs somebody a refresh token later.
public enum ProviderReader {
    /// - Parameters:
    ///   - yaml: At most 64 KiB, one document, without anchors and aliases.
    ///   - file: How errors call it.
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
