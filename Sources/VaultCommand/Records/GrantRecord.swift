import TokenVault
import VaultCore

/// A grant as printed; the names of its user and client are looked up, and absent once those are removed.
struct GrantRecord: Record, ListRecord {
    let grant: Int64
    let client: String?
    let user: String?
    let kind: String
    let state: String
    let scope: String
    let generation: UInt32
    let createdAt: Timestamp
    let idleExpiresAt, absoluteExpiresAt: Timestamp
    let accessExpiresAt: Timestamp?

    init(_ grant: Grant, client: String?, user: String?) {
        self.grant = grant.id.rawValue
        self.client = client
        self.user = user
        kind =
            switch grant.kind {
            case .authorizationCode: "authorization_code"
            case .clientCredentials: "client_credentials"
            case .implicit: "implicit"
            }
        state = grant.state.rawValue
        scope = grant.scope.text
        generation = grant.generation
        createdAt = Timestamp(grant.createdAt)
        idleExpiresAt = Timestamp(grant.idleExpiresAt)
        absoluteExpiresAt = Timestamp(grant.absoluteExpiresAt)
        accessExpiresAt = grant.accessExpiresAt.map(Timestamp.init)
    }

    static let header = ["GRANT", "STATE", "CLIENT_ID", "USER", "GENERATION", "SCOPE"]
    var cells: [String] { ["\(grant)", state, client ?? "-", user ?? "-", "\(generation)", scope] }

    var lines: [String] {
        Table.pairs([
            ("grant", "\(grant)"), ("state", state), ("client_id", client ?? "-"), ("user", user ?? "-"),
            ("kind", kind), ("scope", scope), ("generation", "\(generation)"),
            ("created_at", createdAt.description), ("idle_expires_at", idleExpiresAt.description),
            ("absolute_expires_at", absoluteExpiresAt.description),
            ("access_expires_at", accessExpiresAt?.description ?? "-"),
        ])
    }
}

/// Finds the names behind the row numbers of grants and consents, each once.
struct OwnerNames {
    private let vault: Vault
    private var clients: [OwnerID: String] = [:]
    private var users: [OwnerID: String?] = [:]

    init(_ vault: Vault) throws {
        self.vault = vault
        for client in try vault.clients() { clients[client.id] = client.clientID }
    }

    mutating func record(_ grant: Grant) throws -> GrantRecord {
        GrantRecord(grant, client: clients[grant.client], user: try user(grant.owner))
    }

    mutating func record(_ consent: Consent) throws -> ConsentRecord {
        ConsentRecord(
            clientId: clients[consent.client], user: try user(consent.user), scope: consent.scope.text,
            grantedAt: Timestamp(consent.grantedAt))
    }

    /// Nil: removed, or no user.
    mutating func user(_ id: OwnerID) throws -> String? {
        if let known = users[id] { return known }
        let next = try vault.users(after: OwnerID(id.rawValue - 1), page: 1).first
        let name = next.flatMap { $0.id == id ? $0.name : nil }
        users[id] = .some(name)
        return name
    }
}
