import TokenKeeper
import TokenVault
import VaultCore

/// A provider of the vault as printed; its client secret is not in it.
///
/// `{"provider":"mine","entry":"google","title":"Google","state":"active","client_id":"…","has_client_secret":true,
/// "authentication":"post","endpoints":{"token":"https://…"},"pkce":true,"issuer_in_callbacks":false,"rotates":false,
/// "replay":"tolerated","verified":true,"created_at":"…"}`, and `scope` where one was chosen. While our client is in
/// doubt, `refused_connections` and `refused_because` say by which connections and why: `[17,23,31]`,
/// `"unauthorized-client"`.
struct ProviderRecord: Record, ListRecord {
    let provider, entry, title, state: String
    let clientId: String
    let hasClientSecret: Bool
    let scope: String?
    let authentication: String
    let endpoints: EndpointsRecord
    /// S256.
    let pkce: Bool
    /// Its discovery document promised that every callback names the issuer (RFC 9207).
    let issuerInCallbacks: Bool
    let rotates: Bool
    let replay: String
    /// Every fact of the entry was read in the provider's documents.
    let verified: Bool
    let createdAt: Timestamp
    let refusedConnections: [Int64]?
    let refusedBecause: String?

    init(_ configured: ConfiguredProvider) {
        provider = configured.name
        entry = configured.provider.name
        title = configured.provider.title
        state = configured.state.word
        clientId = configured.clientID
        hasClientSecret = configured.hasClientSecret
        scope = configured.scope
        authentication = configured.provider.client.rawValue
        endpoints = EndpointsRecord(configured.provider.endpoints)
        pkce = configured.provider.requests.usesPKCE
        issuerInCallbacks = configured.provider.endpoints.namesIssuerInCallbacks ?? false
        rotates = configured.provider.refresh.rotates
        replay = configured.provider.refresh.replay.word
        verified = configured.provider.isVerified
        createdAt = Timestamp(configured.createdAt)
        refusedConnections = configured.doubtedBy.isEmpty ? nil : configured.doubtedBy.map(\.rawValue)
        refusedBecause = configured.doubt
    }

    static let header = ["PROVIDER", "ENTRY", "STATE", "CLIENT_ID", "TITLE"]
    var cells: [String] { [provider, entry, state, clientId, title] }

    var lines: [String] {
        Table.pairs(
            [
                ("provider", provider), ("entry", "\(entry) (\(title))"), ("state", state),
                ("client_id", clientId), ("client_secret", hasClientSecret ? "sealed" : "none"),
                ("authentication", authentication), ("scope", scope ?? "-"),
            ] + endpoints.pairs + [
                ("pkce", pkce ? "S256" : "no"),
                ("issuer_in_callbacks", issuerInCallbacks ? "yes" : "not promised"),
                ("rotates", rotates ? "yes" : "no"), ("replay", replay),
                ("verified", verified ? "yes" : "no"), ("created_at", createdAt.description),
            ] + refusals)
    }

    private var refusals: [(String, String)] {
        guard let refusedConnections else { return [] }
        let numbers = refusedConnections.map(String.init).joined(separator: ", ")
        return [("refused", "connections \(numbers) (\(refusedBecause ?? "-"))")]
    }
}

/// Where a provider is; names as in entries.
struct EndpointsRecord: Encodable, Sendable {
    let token: String
    let authorization, refresh, revocation, deviceAuthorization, issuer: String?

    init(_ endpoints: Provider.Endpoints) {
        token = endpoints.token
        authorization = endpoints.authorization
        refresh = endpoints.refresh
        revocation = endpoints.revocation
        deviceAuthorization = endpoints.deviceAuthorization
        issuer = endpoints.issuer
    }

    /// Those that there are.
    var pairs: [(String, String)] {
        [
            ("authorization", authorization), ("token", token), ("refresh", refresh),
            ("revocation", revocation), ("device_authorization", deviceAuthorization), ("issuer", issuer),
        ].compactMap { name, url in url.map { (name, $0) } }
    }
}

/// An entry of the catalogue as printed:
/// `{"entry":"oidc","replay":"revokes","title":"…","variables":["issuer"],"verified":false}`.
struct CatalogueRecord: ListRecord {
    let entry, title, replay: String
    /// What is to be given when it is added.
    let variables: [String]
    let verified: Bool

    init(_ provider: Provider) {
        entry = provider.name
        title = provider.title
        replay = provider.refresh.method == .none ? "-" : provider.refresh.replay.word
        variables = provider.variables
        verified = provider.isVerified
    }

    static let header = ["ENTRY", "REPLAY", "VARIABLES", "VERIFIED", "TITLE"]
    var cells: [String] {
        [
            entry, replay, variables.isEmpty ? "-" : variables.joined(separator: " "),
            verified ? "yes" : "no", title,
        ]
    }
}

extension ProviderState {
    var word: String {
        switch self {
        case .active: "active"
        case .stopped: "stopped"
        }
    }
}

extension Provider.ReplayPolicy {
    /// As entries write it.
    var word: String {
        switch self {
        case .tolerated: "tolerated"
        case .within(let span): "within \(DurationArgument(span).defaultValueDescription)"
        case .untilFirstUse(nil): "until_first_use"
        case .untilFirstUse(.some(let span)):
            "until_first_use \(DurationArgument(span).defaultValueDescription)"
        case .rejected: "rejected"
        case .revokes: "revokes"
        }
    }
}
