import TokenKeeper
import TokenVault
import VaultCore

/// Finds the names behind the numbers in grants, consents and connections, each once.
struct Names {
    private let vault: Vault
    private var clients: [OwnerID: String]?
    private var providers: [ProviderID: String]?
    private var users: [OwnerID: String?] = [:]

    init(_ vault: Vault) { self.vault = vault }

    /// The client_id; nil: removed.
    mutating func client(_ id: OwnerID) async throws -> String? {
        if let clients { return clients[id] }
        let known = Dictionary(
            uniqueKeysWithValues: try await vault.clients.list().map { ($0.id, $0.clientID) })
        clients = known
        return known[id]
    }

    mutating func provider(_ id: ProviderID) async throws -> String? {
        if let providers { return providers[id] }
        let known = Dictionary(
            uniqueKeysWithValues: try await vault.providers().map { ($0.id, $0.name) })
        providers = known
        return known[id]
    }

    /// Nil: removed, or no user.
    mutating func user(_ id: OwnerID) async throws -> String? {
        if let known = users[id] { return known }
        let next = try await vault.users.list(after: OwnerID(id.rawValue - 1), limit: 1).first
        let name = next.flatMap { $0.id == id ? $0.name : nil }
        users[id] = .some(name)
        return name
    }
}
