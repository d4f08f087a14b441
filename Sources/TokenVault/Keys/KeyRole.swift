package import VaultCore
package import VaultCrypto
package import VaultStore

/// What an open vault holds keys for. A process with one role's keys cannot disclose the others':
///
/// ```swift
/// let vault = try await Vault.open(at: path, unlockedBy: source, for: .issuer)
/// ```
///
/// Asking it for what is another role's throws ``VaultError/Code/denied``.
public enum VaultRoles: String, Sendable, CaseIterable, Encodable {
    /// Every role, by the root key.
    case everything
    /// Clients, grants, consents, passwords.
    case issuer
    /// Providers, connections, webhooks.
    case keeper
    /// Backups.
    case custody

    /// Nil for ``everything``.
    package var role: KeyRole? { KeyRole.own.first { VaultRoles($0) == self } }

    package init(_ role: KeyRole?) {
        self =
            switch role {
            case nil, .common: .everything
            case .issuer: .issuer
            case .keeper: .keeper
            case .custody: .custody
            }
    }

    /// Of what stands in a keyslot; nil for no such role.
    package init?(slot number: UInt16) {
        guard let role = KeyRole(rawValue: Int64(number)) else { return nil }
        self.init(role)
    }

    /// As it stands in a keyslot.
    package var number: UInt16 { UInt16(truncatingIfNeeded: (role ?? .common).rawValue) }
}

extension VaultError {
    static let needsEverything = VaultError(
        .denied, "This needs the keys of every role, and the vault was opened for one.",
        remedy: "Open it with a keyslot for everything; list the keyslots to find one.")
}

/// The key that a keyslot gave.
package enum OpenedKey: Sendable {
    case root(GuardedKey)
    case role(KeyRole, epoch: UInt32, GuardedKey)

    var roles: VaultRoles {
        switch self {
        case .root: .everything
        case .role(let role, _, _): VaultRoles(role)
        }
    }
}

/// The key of a role, with the epoch that what it wraps names.
package struct RoleKey: Sendable {
    package let role: KeyRole
    package let epoch: UInt32
    package let key: GuardedKey

    package init(role: KeyRole, epoch: UInt32, key: GuardedKey) {
        (self.role, self.epoch, self.key) = (role, epoch, key)
    }
}

/// The keys of the roles that are held: the current ones, and while a rotation runs those before.
package struct RoleKeys: Sendable {
    private let keys: [RoleKey]
    private let current: [KeyRole: Int64]
    /// The roles whose key is being replaced.
    package let rotating: Set<KeyRole>

    /// Unwraps what `opened` leads to.
    ///
    /// ```
    /// root key ─► issuer key, keeper key, custody key     each of them ─► the one before it, and the common key
    /// ```
    ///
    /// - Parameter epoch: of the root key.
    package init(_ rows: [RoleKeyRow], openedBy opened: OpenedKey, epoch: UInt32, vault: VaultID) throws {
        var keys: [RoleKey] = []
        func find(_ role: KeyRole, _ epoch: Int64) -> GuardedKey? {
            keys.first { $0.role == role && Int64($0.epoch) == epoch }?.key
        }
        func unwrap(_ row: RoleKeyRow, _ wrapper: GuardedKey?) throws {
            guard let wrapper, find(row.role, row.epoch) == nil else { return }
            keys.append(
                RoleKey(
                    role: row.role, epoch: UInt32(truncatingIfNeeded: row.epoch),
                    key: try row.unwrapped(with: wrapper, vault)))
        }
        switch opened {
        case .root(let root):
            for row in rows where row.wrapper == nil {
                try unwrap(row, row.wrapperEpoch == Int64(epoch) ? root : nil)
            }
        case .role(let role, let epoch, let key): keys.append(RoleKey(role: role, epoch: epoch, key: key))
        }
        for isCommon in [false, true] {
            for row in rows where (row.role == .common) == isCommon {
                if let wrapper = row.wrapper { try unwrap(row, find(wrapper, row.wrapperEpoch)) }
            }
        }
        self.keys = keys
        let currentRows = rows.filter { $0.state == .current }
        current = Dictionary(currentRows.map { ($0.role, $0.epoch) }) { max($0, $1) }
        rotating = Set(rows.filter { $0.state == .retired }.map(\.role))
        let needed = opened.roles.role.map { [$0, .common] } ?? KeyRole.allCases
        for role in needed { _ = try self.current(role) }
    }

    /// A new vault's.
    init(_ keys: [RoleKey]) {
        self.keys = keys
        current = Dictionary(keys.map { ($0.role, Int64($0.epoch)) }) { $1 }
        rotating = []
    }

    func isHeld(_ role: KeyRole) -> Bool { keys.contains { $0.role == role } }

    /// - Throws: ``VaultError/Code/denied`` for a role that is not held, ``VaultError/Code/integrity`` where the current
    ///   key is missing.
    package func current(_ role: KeyRole) throws -> RoleKey {
        guard let epoch = current[role] else { throw Self.missing }
        return RoleKey(
            role: role, epoch: UInt32(truncatingIfNeeded: epoch), key: try key(role, epoch: epoch))
    }

    /// - Throws: ``VaultError/Code/denied`` for a role that is not held, ``VaultError/Code/integrity`` for a key that was
    ///   destroyed or never was.
    package func key(_ role: KeyRole, epoch: Int64) throws -> GuardedKey {
        if let found = keys.first(where: { $0.role == role && Int64($0.epoch) == epoch }) { return found.key }
        throw isHeld(role) ? Self.missing : VaultError.needs(role)
    }

    private static let missing = VaultError(
        .integrity, "A key is wrapped under a role's key that is not there.",
        remedy: "Verify the audit log, then restore a backup.")
}

extension RoleKeyRow {
    /// What the wrap of a role's key is bound to: no row number, because a backup carries it as well.
    package static func context(_ vault: VaultID, _ role: KeyRole, epoch: Int64, wrapper: KeyRole?)
        -> AssociatedData
    {
        AssociatedData(
            domain: SealedTable.wrapDomain, vault: vault, owner: .system, table: TableLayout.roleKeys.number,
            column: columnNumber("wrapped"), row: role.rawValue * 4 + (wrapper?.rawValue ?? 0),
            generation: UInt64(clamping: epoch))
    }

    package func unwrapped(with wrapper: GuardedKey, _ vault: VaultID) throws -> GuardedKey {
        try KeyWrap.unwrap(
            wrapped, with: wrapper, epoch: UInt32(truncatingIfNeeded: wrapperEpoch),
            for: Self.context(vault, role, epoch: epoch, wrapper: self.wrapper))
    }

    /// A key wrapped under another.
    ///
    /// - Parameter wrapper: nil: the root key.
    package init(
        id: Int64, _ key: RoleKey, under wrapper: KeyRole?, _ wrapperKey: GuardedKey,
        epoch wrapperEpoch: UInt32,
        state: KeyState = .current, vault: VaultID, createdAt: VaultInstant
    ) {
        self.init(
            id: id, role: key.role, epoch: Int64(key.epoch), wrapper: wrapper,
            wrapperEpoch: Int64(wrapperEpoch), state: state,
            wrapped: KeyWrap.wrap(
                key.key, under: wrapperKey, epoch: wrapperEpoch,
                for: Self.context(vault, key.role, epoch: Int64(key.epoch), wrapper: wrapper)),
            createdAt: createdAt)
    }
}
