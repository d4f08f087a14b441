import GRDB
public import VaultCore
import VaultCrypto

/// A user of the vault: an owner of grants.
public struct User: Sendable {
    public let id: OwnerID
    public let name: String
    public let state: OwnerState
    public let createdAt: VaultInstant
}

extension Vault {
    /// Adds a user. The name is kept sealed, and found again by a keyed tag.
    ///
    /// - Throws: ``VaultError/Code/alreadyExists``, ``VaultError/Code/invalidInput``.
    public func addUser(_ name: String) async throws -> User {
        try NameRules.check(name, what: "user name")
        return try await write { [operatorActor] transaction in
            let keyring = transaction.keyring
            let tags = keyring.lookup.tags(.userName, of: Array(name.utf8))
            guard try transaction.database.ownerID(tags: tags) == nil else {
                throw VaultError(.alreadyExists, "There is a user of that name.")
            }
            let id = OwnerID(transaction.next(\.nextOwnerID))
            let owner = try Owner(
                creating: id, kind: .user, identity: Array(name.utf8), lookupTag: tags.first,
                keyring: keyring,
                now: transaction.now)
            try transaction.insert(owner.row)
            transaction.touchRegistry()
            var event = AuditEvent(.userAdd, by: operatorActor)
            event.subject = owner.pseudonym
            event.personal = PersonalData(owner: id, data: Array(name.utf8))
            return Audited(
                User(id: id, name: name, state: .active, createdAt: transaction.now), event)
        }
    }

    /// - Throws: ``VaultError/Code/notFound``.
    public func user(named name: String) throws -> User {
        try snapshot { database, keys in
            let keyring = keys.keyring
            let tags = keyring.lookup.tags(.userName, of: Array(name.utf8))
            guard let id = try database.ownerID(tags: tags), let owner = try database.owner(id, keyring),
                owner.row.kind == .user
            else { throw Self.noUser }
            return try User(owner, keyring)
        }
    }

    /// The user of a grant, a session or a token.
    ///
    /// - Throws: ``VaultError/Code/notFound``, also for one that was removed.
    public func user(_ id: OwnerID) throws -> User {
        try snapshot { [registry] database, keys in
            let keyring = keys.keyring
            let revision = try keys.checkedRevision(database)
            guard let owner = try registry.owner(id, database, keyring, revision: revision),
                owner.row.kind == .user, owner.row.state != .removed
            else { throw Self.noUser }
            return try User(owner, keyring)
        }
    }

    /// The name of a user towards clients (`sub`, OpenID Connect Core section 2). It stays the same for the
    /// life of the vault, is nobody else's, and tells nothing about the user. No client identifier looks like
    /// it.
    public func subject(of user: OwnerID) -> String {
        SubjectIdentifier.of(user, in: id)
    }

    /// Every user that was not removed, in order of creation, `page` at a time.
    public func users(after last: OwnerID = .system, page: Int = 1000) throws -> [User] {
        try snapshot { database, keys in
            let keyring = keys.keyring
            return try database.loadAll(
                OwnerRow.self, where: "id > ? AND kind = 2 AND state != 3 ORDER BY id LIMIT ?",
                [.integer(last.rawValue), .integer(Int64(page))], keyring
            ).compactMap { try database.owner($0.id, keyring).map { try User($0, keyring) } }
        }
    }

    /// Disables or enables a user. A disabled user's grants are refused until the user is enabled again.
    public func setUser(_ name: String, enabled: Bool) async throws -> User {
        try await changeUser(
            name, .userChange, reason: enabled ? "enabled" : "disabled", enabled ? .newWork : .finishing
        ) { row in row.state = enabled ? .active : .disabled }
    }

    /// Revokes every grant of a user at once.
    public func revokeGrants(ofUser name: String) async throws -> User {
        try await changeUser(name, .userChange, reason: "grants_revoked", .finishing) { row in
            row.revocations += 1
        }
    }

    /// Removes a user: every grant is revoked and the name is free again. What the log says stays provable.
    public func removeUser(_ name: String) async throws {
        let user = try await changeUser(name, .userRemove, reason: nil, .finishing) { $0.remove() }
        try await forgetConsents(of: .user(user.id))
        try await endConnections(of: user.id)
    }

    private func changeUser(
        _ name: String, _ operation: AuditOperation, reason: String?, _ urgency: WriteUrgency,
        _ change: @escaping @Sendable (inout OwnerRow) -> Void
    ) async throws -> User {
        try await write(urgency) { [operatorActor] transaction in
            let tags = transaction.keyring.lookup.tags(.userName, of: Array(name.utf8))
            guard let id = try transaction.database.ownerID(tags: tags),
                let owner = try transaction.owner(id), owner.row.kind == .user,
                // The cached row may be wrapped under a root key of before.
                var row = try transaction.load(OwnerRow.self, id.rawValue)?.row
            else { throw Self.noUser }
            change(&row)
            try transaction.update(row)
            transaction.touchRegistry()
            var event = AuditEvent(operation, by: operatorActor)
            event.reason = reason
            event.subject = owner.pseudonym
            return Audited(User(id: id, name: name, state: row.state, createdAt: row.createdAt), event)
        }
    }

    static let noUser = VaultError(
        .notFound, "There is no such user.", remedy: "See 'tokenvault user list'.")
}

extension User {
    init(_ owner: Owner, _ keyring: Keyring) throws {
        id = owner.row.id
        name = String(decoding: try owner.identity(keyring), as: UTF8.self)
        state = owner.row.state
        createdAt = owner.row.createdAt
    }
}

extension Database {
    /// The owner that one of these lookup tags finds.
    func ownerID(tags: [[UInt8]]) throws -> OwnerID? {
        try tags.firstValue { tag in
            let found = try firstRow("SELECT id FROM owners WHERE lookup_tag = ?", [.blob(tag)]) {
                OwnerID($0.integer(0))
            }
            guard let id = found else { return nil }
            // The index alone said so.
            let isTagged = try firstRow(
                "SELECT 1 FROM owners WHERE id = ? AND +lookup_tag = ?", [.integer(id.rawValue), .blob(tag)]
            ) { _ in true }
            guard isTagged == true else { throw LostRow.unindexed(.owners) }
            return id
        }
    }
}
