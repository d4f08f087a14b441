public import VaultCore
import VaultCrypto
import VaultStore

/// A user of the vault, who owns grants.
public struct User: Sendable {
    public let id: OwnerID
    public let name: String
    public let state: OwnerState
    public let createdAt: VaultInstant
}

extension Vault {
    /// The users to whom this vault's issuer grants tokens, and who own connections.
    public var users: VaultUsers { VaultUsers(vault: self) }

    package static let noUser = VaultError(.notFound, "There is no such user.", remedy: "List the users.")
}

/// Adds, finds, changes and removes the users of a vault.
///
/// ```swift
/// let alice = try await vault.users.add("alice")
/// try await vault.users.disable("alice")
/// ```
///
/// A text names a user in every spelling of the name (``add(_:)``). The audit log names the operator for
/// these calls; what a user does is in ``Vault/account(of:through:requestID:)``.
public struct VaultUsers: Sendable {
    package let vault: Vault

    /// Adds a user. The name is kept sealed as it was given, in NFC, and found again by a keyed tag of
    /// NFKC(casefold(NFKC(name))): `alice` and `ALICE` find `Alice`, and are taken.
    ///
    /// Identifiers of another system that differ by case alone, such as some `sub` of OpenID Connect, are one name here:
    /// write them as hexadecimal first, or one person is taken for another.
    ///
    /// - Throws: ``VaultError/Code/alreadyExists``; ``VaultError/Code/invalidInput`` for a name that cannot be seen or told
    ///   apart: empty or longer than ``Limits/nameBytes``, blanks at the ends, control, format (bidi, zero-width), private
    ///   and unassigned characters, scripts that are mixed (UTS 39, single script).
    public func add(_ name: String) async throws -> User {
        try await add(name) { _ in
            throw VaultError(
                .alreadyExists, "There is a user of that name.",
                remedy: "Choose another name, or list the users.")
        }
    }

    /// Finds the user of a name, in any spelling of it, or adds it: for a host with users of its own, at each sign-in.
    ///
    /// Two calls at once make one user. One that was disabled is returned as it is: look at its state.
    ///
    /// - Throws: ``VaultError/Code/invalidInput`` for what ``add(_:)`` does not take as a name.
    public func findOrAdd(_ name: String) async throws -> User {
        do { return try await find(name) } catch let error as VaultError where error.code == .notFound {}
        return try await add(name) { $0 }
    }

    /// - Parameter known: gets the user who has the name already.
    private func add(
        _ name: String, unless known: @escaping @Sendable (User) throws -> User
    ) async throws -> User {
        let name = try UserName(name)
        return try await vault.write { transaction in
            let tags = transaction.keyring.lookup.tags(.userName, of: name.folded)
            if let id = try transaction.database.ownerID(tags: tags), let owner = try transaction.owner(id) {
                return .unchanged(try known(User(owner, transaction.keyring)))
            }
            let id = OwnerID(transaction.next(\.nextOwnerID))
            let identity = Array(name.shown.utf8)
            let owner = try transaction.makeOwner(id, kind: .user, identity: identity, lookupTag: tags.first)
            var event = AuditEvent(.userAdd, by: vault.operatorActor, subject: owner.pseudonym)
            event.personal = PersonalData(owner: id, data: identity)
            return Audited(User(id: id, name: name.shown, state: .active, createdAt: transaction.now), event)
        }
    }

    /// Finds the user of a name, in any spelling of it: see ``add(_:)``.
    ///
    /// - Throws: ``VaultError/Code/notFound``, also for one that was removed.
    public func find(_ name: String) async throws -> User {
        try await vault.snapshot { database, keys in
            guard let owner = try database.user(named: name, keys.keyring) else { throw Vault.noUser }
            return try User(owner, keys.keyring)
        }
    }

    /// Finds the user of a grant, a session or a token.
    ///
    /// - Throws: ``VaultError/Code/notFound``, also for one that was removed.
    public func find(_ id: OwnerID) async throws -> User {
        try await vault.snapshot { database, keys in
            let revision = try keys.checkedRevision(database)
            guard let owner = try vault.registry.owner(id, database, keys.keyring, revision: revision),
                owner.row.kind == .user, owner.row.state != .removed
            else { throw Vault.noUser }
            return try User(owner, keys.keyring)
        }
    }

    /// The name of a user towards clients (`sub`, OpenID Connect Core section 2). It stays the same for the
    /// life of the vault, is unique, and tells nothing about the user. No client identifier looks like
    /// it.
    public func subject(of user: OwnerID) -> String {
        SubjectIdentifier.of(user, in: vault.id)
    }

    /// Lists the users that were not removed, in order of creation.
    ///
    /// - Parameters:
    ///   - last: the user that the page before ended with.
    ///   - limit: the most users to return.
    public func list(after last: OwnerID = .system, limit: Int = 1000) async throws -> [User] {
        try await vault.scan { database, keys in
            try database.ids(
                "owners", after: last.rawValue, where: "kind = 2 AND state != 3", limit: limit
            ).compactMap { try database.owner(OwnerID($0), keys.keyring).map { try User($0, keys.keyring) } }
        }
    }

    /// Enables a user that was disabled: its grants and its password count again.
    ///
    /// - Throws: ``VaultError/Code/notFound``.
    @discardableResult
    public func enable(_ name: String) async throws -> User {
        try await change(name, .userChange, reason: "enabled", .newWork) { $0.state = .active }
    }

    /// Disables a user: its grants are refused and it cannot sign in until it is enabled again.
    ///
    /// - Throws: ``VaultError/Code/notFound``.
    @discardableResult
    public func disable(_ name: String) async throws -> User {
        try await change(name, .userChange, reason: "disabled", .finishing) { $0.state = .disabled }
    }

    /// Revokes every grant of a user at once, and ends its sessions.
    ///
    /// - Throws: ``VaultError/Code/notFound``.
    @discardableResult
    public func revokeGrants(of name: String) async throws -> User {
        try await change(name, .userChange, reason: "grants_revoked", .finishing) { $0.revocations += 1 }
    }

    /// Removes a user: every grant is revoked and the name is free again. What the log says stays provable.
    ///
    /// - Throws: ``VaultError/Code/notFound``.
    public func remove(_ name: String) async throws {
        let user = try await change(name, .userRemove, reason: nil, .finishing) { $0.remove() }
        try await vault.forgetConsents(of: user.id)
        try await vault.endConnections(of: user.id)
    }

    private func change(
        _ name: String, _ operation: AuditOperation, reason: String?, _ urgency: WriteUrgency,
        _ change: @escaping @Sendable (inout OwnerRow) -> Void
    ) async throws -> User {
        try await vault.write(urgency) { transaction in
            let tags = transaction.keyring.lookup.tags(.userName, of: UserName.folded(name))
            guard let id = try transaction.database.ownerID(tags: tags),
                let owner = try transaction.owner(id), owner.row.kind == .user,
                // The cached row may be wrapped under a root key of before.
                var row = try transaction.load(OwnerRow.self, id.rawValue)?.row
            else { throw Vault.noUser }
            change(&row)
            try transaction.update(row)
            let event = AuditEvent(
                operation, by: vault.operatorActor, reason: reason, subject: owner.pseudonym)
            let shown = String(decoding: try owner.identity(transaction.keyring), as: UTF8.self)
            return Audited(User(id: id, name: shown, state: row.state, createdAt: row.createdAt), event)
        }
    }
}

extension User {
    package init(_ owner: Owner, _ keyring: Keyring) throws {
        id = owner.row.id
        name = String(decoding: try owner.identity(keyring), as: UTF8.self)
        state = owner.row.state
        createdAt = owner.row.createdAt
    }
}

extension Database {
    /// The user of a name, in any spelling of it.
    package func user(named name: String, _ keyring: Keyring) throws -> Owner? {
        let id = try ownerID(tags: keyring.lookup.tags(.userName, of: UserName.folded(name)))
        return try id.flatMap { try owner($0, keyring) }.flatMap { $0.row.kind == .user ? $0 : nil }
    }

    /// The owner that one of these lookup tags finds.
    package func ownerID(tags: [[UInt8]]) throws -> OwnerID? {
        try tags.firstValue { tag in
            let found = try firstRow("SELECT id FROM owners WHERE lookup_tag = ?", [.blob(tag)]) {
                OwnerID($0.integer(0))
            }
            guard let id = found else { return nil }
            // The index alone said so.
            let isTagged = try finds(
                "SELECT 1 FROM owners WHERE id = ? AND coalesce(lookup_tag, lookup_tag) = ?",
                [.integer(id.rawValue), .blob(tag)])
            guard isTagged else { throw LostRow.unindexed(.owners) }
            return id
        }
    }
}

extension Vault {
    /// Passwords, consents that were begun, and connections: rows that mean nothing without the key.
    package func deleteSealedRows(of id: OwnerID) async throws -> Int64 {
        var connections: Int64 = 0
        for (layout, column) in [
            (TableLayout.passwords, "id"), (.authorizationRequests, "owner_id"), (.connections, "owner_id"),
        ] {
            while true {
                let count = try await queue.submit(.finishing) { [operatorActor] transaction in
                    let ids = try transaction.database.ids(
                        layout.name, where: "\(column) = ?", [.integer(id.rawValue)],
                        limit: Limits.rowsPerLeaf)
                    guard !ids.isEmpty else { return .unchanged(0) }
                    for id in ids { try transaction.delete(layout, id: id) }
                    let event = AuditEvent(
                        .userErase, by: operatorActor, reason: layout.name,
                        subject: try transaction.owner(id)?.pseudonym, count: ids.count)
                    return Audited(ids.count, event)
                }
                if layout.number == TableLayout.connections.number { connections += Int64(count) }
                if count < Limits.rowsPerLeaf { break }
            }
        }
        return connections
    }
}

extension OwnerRow {
    /// Every grant ends, and the name is free again.
    package mutating func remove() {
        state = .removed
        revocations += 1
        lookupTag = nil
    }
}

extension WriteTransaction {
    /// Destroys a user's keys, under every role.
    package func erase(_ row: inout OwnerRow) throws {
        _ = try keyring.root
        row.remove()
        row.identity = nil
        row.pseudonym = nil
        row.claims = nil
        try update(row)
        for role in KeyRole.allCases {
            let id = OwnerKeyRow.id(row.id, role)
            if try load(OwnerKeyRow.self, id) != nil { try delete(.ownerKeys, id: id) }
        }
    }
}
