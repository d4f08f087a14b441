import TokenKeeper
import TokenVault
import VaultCore

/// 2026-11-24T15:00:00Z.
let dialectNow = VaultInstant(millisecondsSince1970: 1_795_532_400_000)

extension Provider {
    /// A provider that keeps to the standards.
    static func standard(_ change: (inout Provider) -> Void = { _ in }) -> Provider {
        var endpoints = Endpoints(token: "https://as.example.com/token")
        endpoints.authorization = "https://as.example.com/authorize"
        endpoints.revocation = "https://as.example.com/revoke"
        endpoints.deviceAuthorization = "https://as.example.com/device"
        var provider = Provider(name: "standard", title: "Standard", endpoints: endpoints)
        change(&provider)
        return provider
    }
}

extension ProviderDialect {
    static func of(_ provider: Provider, secret: String? = "s3cr3t/+ of ours") -> ProviderDialect {
        ProviderDialect(
            provider,
            ProviderCredentials(clientID: "client 1", clientSecret: secret.map { SecretBytes(copying: $0) }))
    }

    static func standard(_ change: (inout Provider) -> Void = { _ in }) -> ProviderDialect {
        .of(.standard(change))
    }

    func read(
        _ status: Int, _ body: String, headers: [String: String] = [:],
        to purpose: ProviderRequest.Purpose = .refresh, sent: [String] = []
    ) -> ReplyReading<NewTokens> {
        read(
            ProviderReply(status: status, headers: headers, body: SecretBytes(copying: body)), to: purpose,
            at: dialectNow, sent: sent.map { SecretBytes(copying: $0) })
    }
}

extension ReplyReading<NewTokens> {
    var granted: NewTokens? {
        if case .granted(let tokens) = self { tokens } else { nil }
    }

    var refusal: ProviderRefusal? {
        if case .refused(let refusal) = self { refusal } else { nil }
    }

    var diagnostic: String {
        switch self {
        case .granted: ""
        case .refused(let refusal): refusal.diagnostic
        case .busy(_, let text), .ambiguous(let text), .unreadable(let text): text
        }
    }

    /// The case and what tells it from others of its kind.
    var summary: String {
        switch self {
        case .granted: "granted"
        case .refused(let refusal): "refused \(refusal.kind.rawValue) \(refusal.code)"
        case .busy(let retryAfter, _): "busy" + (retryAfter.map { " \($0.components.seconds)" } ?? "")
        case .ambiguous: "ambiguous"
        case .unreadable: "unreadable"
        }
    }
}

extension SecretBytes {
    /// For comparison in tests.
    var shown: String { withExposed { String(decoding: $0, as: UTF8.self) } }
}

extension ProviderRequest {
    /// The request as lines: method and URL with the query, headers, body.
    var lines: [String] {
        var target = url
        if let query { target += (url.contains("?") ? "&" : "?") + query.shown }
        return ["\(method.rawValue) \(target)"] + headers.map { "\($0.name): \($0.value.shown)" }
            + (body.map { ["", $0.shown] } ?? [])
    }
}
