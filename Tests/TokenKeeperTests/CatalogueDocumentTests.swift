import Foundation
import Testing
import TokenKeeper
import TokenVault
import VaultCore

@Suite struct `docs/providers.md` {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private func page() throws -> String {
        try String(contentsOf: Self.root.appendingPathComponent("docs/providers.md"), encoding: .utf8)
    }

    private func entries() throws -> [String] {
        try page().matches(of: /```yaml\n([\s\S]*?)```/).map { String($0.1) }
    }

    @Test func `shows a smallest entry and one with every field, and both are read`() throws {
        let entries = try entries()
        #expect(entries.count == 2)
        let small = try ProviderReader.read(entries[0], file: "acme.yaml")
        #expect(small.refresh == Provider.RefreshRules())
        let whole = try ProviderReader.read(entries[1], file: "example.yaml")
        #expect(whole.variables == ["tenant"])
        // Whatever differs from the smallest was read from its field.
        #expect(whole.client == .post)
        #expect(whole.requests.names == ["client_id": "clientId"])
        #expect(whole.requests.grantTypes == ["refresh_token": "refresh"])
        #expect(whole.requests.authorize.count == 2)
        #expect(whole.requests.exchange == ["expires_in": "172800"])
        #expect(whole.requests.refresh == ["expires_in": "172800"])
        #expect(whole.requests.clientCredentials == ["audience": "https://api.example.com"])
        #expect(whole.requests.headers == ["X-Api-Version": "2"])
        #expect(whole.requests.scopeSeparator == ",")
        #expect(whole.requests.keptCallbackParameters == ["realmId"])
        #expect(whole.replies.accessToken == ["data.accessToken", "access_token"])
        #expect(whole.replies.refreshToken == ["data.refreshToken", "refresh_token"])
        #expect(whole.replies.expiry == ["data.expiresIn", "expires_in"])
        #expect(whole.replies.refreshExpiry == ["data.refreshExpiresIn"])
        #expect(whole.replies.scope == ["data.scope"])
        #expect(whole.replies.error == ["error", "errors.0.type"])
        #expect(whole.replies.errorDescription == ["error_description", "errors.0.message"])
        #expect(whole.replies.success == .init(path: "ok", values: ["true"]))
        #expect(whole.replies.errorCodes.count == 2)
        #expect(
            whole.replies.deadToken == [
                .init(status: 403, code: "unauthorized_client", description: "refresh*token is invalid")
            ])
        #expect(whole.replies.kept == ["instance_url", "team.id"])
        #expect(whole.expiry.form == .any)
        #expect(whole.expiry.defaultLifetime == .seconds(3600))
        #expect(whole.expiry.earliestRefresh == .seconds(30))
        #expect(whole.expiry.refreshIdle == .seconds(60 * 86400))
        #expect(whole.expiry.refreshAbsolute == .seconds(365 * 86400))
        #expect(whole.refresh.replay == .within(.seconds(600)))
        #expect(whole.rateLimit == .init(requests: 10, per: .seconds(600)))
        #expect(whole.sources == [.init(page: "developer.example.com/oauth", day: "2026-11-24")])
    }

    @Test func `names every value that a field may have`() throws {
        let text = try entries()[1]
        let values =
            Provider.ClientAuthentication.allCases.map(\.rawValue)
            + Provider.RequestForm.Body.allCases.map(\.rawValue)
            + Provider.ExpiryRules.Form.allCases.map(\.rawValue)
            + Provider.RefreshRules.Method.allCases.map(\.rawValue)
            + ["tolerated", "within", "until_first_use", "rejected", "revokes"]
        for value in values { #expect(text.contains(value), "\(value)") }
    }

    @Test func `has a row for every entry of the catalogue that says what the entry says`() throws {
        let rows = try page().split(separator: "\n").filter { $0.hasPrefix("| `") }.map(String.init)
        let expected = ProviderCatalogue.names.compactMap(ProviderCatalogue.provider).map { provider in
            let variables = provider.variables.map { "`\($0)`" }.joined(separator: ", ")
            let replay =
                provider.refresh.method == .none ? "nothing to refresh" : Self.words(provider.refresh.replay)
            return
                "| `\(provider.name)` | \(provider.title) | \(variables) | \(replay) | \(provider.isVerified ? "yes" : "no") |"
        }
        #expect(rows.filter { !$0.contains("invalid_") } == expected)
    }

    private static func words(_ policy: Provider.ReplayPolicy) -> String {
        func span(_ duration: Duration) -> String {
            let seconds = duration.components.seconds
            if seconds.isMultiple(of: 86400) { return "\(seconds / 86400)d" }
            return seconds.isMultiple(of: 3600) ? "\(seconds / 3600)h" : "\(seconds / 60)m"
        }
        return switch policy {
        case .tolerated: "tolerated"
        case .within(let duration): "within \(span(duration))"
        case .untilFirstUse(nil): "until_first_use"
        case .untilFirstUse(let duration?): "until_first_use \(span(duration))"
        case .rejected: "rejected"
        case .revokes: "revokes"
        }
    }
}
