import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultCore
import VaultCrypto
import VaultCustody

/// A grant as its client sees it, and how often anything about it changed.
struct DrilledGrant: Sendable {
    let id: GrantID
    let user: String
    var newest: IssuedTokens
    var changes = 0
    var isLive = true
}

struct DrilledConnection: Sendable {
    let id: ConnectionID
    let user: User
    let label: String
    var changes = 0
    var isLive = true
}

/// What the vault was at the moment of a backup, by a slow and obvious account of it.
struct DrillPoint: Sendable {
    let kept: TestVault.Kept
    let grants: [GrantID: DrilledGrant]
    let connections: [ConnectionID: DrilledConnection]
    let users: Set<String>
}

/// A vault in use: clients refresh, users come and go, connections are refreshed, and somebody makes backups.
struct Drill {
    let test: TestVault
    let party: Party
    let provider: ProviderID
    var random: SeededGenerator
    var grants: [GrantID: DrilledGrant] = [:]
    var connections: [ConnectionID: DrilledConnection] = [:]
    var users: [User] = []
    var points: [DrillPoint] = []

    init(seed: UInt64) async throws {
        random = SeededGenerator(seed: seed)
        test = try await TestVault()
        party = try await Party(test.vault)
        provider = try await test.vault.addProvider(
            "provider", definition: "{}", credentials: Secret(copying: "secret")
        ).id
        for _ in 0..<4 { try await addUser() }
        for _ in 0..<12 { try await issue() }
        for _ in 0..<6 { try await connect() }
    }

    /// One thing that happens.
    mutating func step() async throws {
        test.clock.advance(by: .seconds(Int.random(in: 0...100, using: &random)))
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<8: try await refresh()
        case 8..<10: try await issue()
        case 10: try await revoke()
        case 11: try await reuse()
        case 12..<15: try await refreshConnection()
        case 15: try await connect()
        case 16: try await removeConnection()
        case 17: try await addUser()
        case 18: if Int.random(in: 0..<3, using: &random) == 0 { try await removeUser() }
        default: try await use()
        }
    }

    mutating func backUp() async throws {
        let kept = try await test.backUp("point-\(points.count)")
        points.append(
            DrillPoint(
                kept: kept, grants: grants, connections: connections, users: Set(users.map(\.name))))
    }

    private mutating func addUser() async throws {
        users.append(try await test.vault.users.add("user-\(random.next())"))
    }

    private mutating func issue() async throws {
        guard let user = users.randomElement(using: &random) else { return }
        let code = try await test.vault.authorize(
            Authorization(
                client: party.client.clientID, user: user.name,
                scope: try #require(ScopeSet(parsing: "basic")), redirectURI: Party.redirectURI)
        ).code
        let tokens = try #require(await party.redeem(code).issued)
        grants[tokens.grant] = DrilledGrant(id: tokens.grant, user: user.name, newest: tokens)
    }

    private mutating func refresh() async throws {
        guard var grant = live() else { return }
        grant.newest = try #require(await party.refresh(grant.newest.refreshToken).issued)
        grant.changes += 1
        grants[grant.id] = grant
    }

    private mutating func revoke() async throws {
        guard var grant = live() else { return }
        try await test.vault.grants.revoke(grant.id)
        grant.changes += 1
        grant.isLive = false
        grants[grant.id] = grant
    }

    private mutating func reuse() async throws {
        guard var grant = live() else { return }
        let old = try grant.newest.refreshToken
        _ = try #require(await party.refresh(old).issued)
        test.clock.advance(by: .seconds(100))
        #expect(try await party.refresh(old).refusal == .refreshTokenReused)
        grant.changes += 2
        grant.isLive = false
        grants[grant.id] = grant
    }

    /// Changes nothing that a backup could be behind.
    private mutating func use() async throws {
        guard let grant = live() else { return }
        _ = try await test.vault.validate(grant.newest.pair.accessToken)
    }

    private mutating func removeUser() async throws {
        guard users.count > 2, let index = users.indices.randomElement(using: &random) else { return }
        let user = users.remove(at: index)
        try await test.vault.users.remove(user.name)
        for id in grants.keys where grants[id]?.user == user.name && grants[id]?.isLive == true {
            grants[id]?.isLive = false
            grants[id]?.changes += 1
        }
        for id in connections.keys where connections[id]?.user.name == user.name {
            guard connections[id]?.isLive == true else { continue }
            connections[id]?.isLive = false
            connections[id]?.changes += 1
        }
    }

    private mutating func live() -> DrilledGrant? {
        grants.values.filter(\.isLive).sorted { $0.id < $1.id }.randomElement(using: &random)
    }
}

// MARK: - Connections

extension Drill {
    private mutating func connect() async throws {
        guard let user = users.randomElement(using: &random) else { return }
        let label = "label-\(random.next())"
        let held = try await store(user, label)
        connections[held.id] = DrilledConnection(id: held.id, user: user, label: label)
    }

    private mutating func refreshConnection() async throws {
        guard var connection = liveConnection() else { return }
        _ = try await store(connection.user, connection.label)
        connection.changes += 1
        connections[connection.id] = connection
    }

    private mutating func removeConnection() async throws {
        guard var connection = liveConnection() else { return }
        _ = try await test.vault.revokeConnection(connection.id, isKnownThere: false)
        connection.changes += 1
        connection.isLive = false
        connections[connection.id] = connection
    }

    private func store(_ user: User, _ label: String) async throws -> HeldConnection {
        var tokens = NewTokens(accessToken: Secret(copying: "access-\(UUID())"))
        tokens.refreshToken = Secret(copying: "refresh-\(UUID())")
        return try await test.vault.storeConnection(
            ConnectionGrant(provider, user.id, label: label, tokens: tokens))
    }

    private mutating func liveConnection() -> DrilledConnection? {
        connections.values.filter(\.isLive).sorted { $0.id.rawValue < $1.id.rawValue }
            .randomElement(using: &random)
    }
}
