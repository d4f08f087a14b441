package import VaultCore
package import VaultCrypto
package import VaultStore

/// One row of `role_keys`: the key of a role, wrapped by the root key, by the role's next key or, the common one, by the
/// key of each role.
package struct RoleKeyRow: Sendable {
    package let id: Int64
    package let role: KeyRole
    /// Epoch of this key.
    package let epoch: Int64
    /// Nil: the root key.
    package let wrapper: KeyRole?
    package let wrapperEpoch: Int64
    package var state: KeyState
    package let wrapped: [UInt8]
    package let createdAt: VaultInstant
}

extension RoleKeyRow: TypedRow {
    package static let layout = TableLayout.roleKeys

    package init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        role = try columns.kind()
        epoch = try columns.integer()
        let wrapper: KeyRole = try columns.kind()
        self.wrapper = wrapper == .common ? nil : wrapper
        wrapperEpoch = try columns.integer()
        state = try columns.kind()
        wrapped = try columns.blob()
        createdAt = try columns.instant()
    }

    package var columns: [SQLValue] {
        [
            .integer(role.rawValue), .integer(epoch), .integer(wrapper?.rawValue ?? 0),
            .integer(wrapperEpoch),
            .integer(state.rawValue), .blob(wrapped), SQLValue(createdAt),
        ]
    }
}

/// One row of `owner_keys`: the key of an owner under one role.
package struct OwnerKeyRow: Sendable {
    package let owner: OwnerID
    package let role: KeyRole
    /// That records name.
    private(set) var version: Int64
    package private(set) var epoch: Int64
    private(set) var wrapped: [UInt8]
    package private(set) var previous: Previous?

    /// The key before, while records are sealed again.
    package struct Previous: Sendable {
        let version: Int64
        package var epoch: Int64
        var wrapped: [UInt8]
    }

    package var id: Int64 { Self.id(owner, role) }

    static func id(_ owner: OwnerID, _ role: KeyRole) -> Int64 { owner.rawValue * 4 + role.rawValue }

    /// A new key.
    init(making owner: OwnerID, _ role: KeyRole, _ keyring: Keyring) throws {
        let wrapper = try keyring.roleKeys.current(role)
        (self.owner, self.role, version, epoch) = (owner, role, 1, Int64(wrapper.epoch))
        wrapped = Self.wrap(.random(), under: wrapper, owner, previous: false, keyring.vault)
    }

    package func opened(_ keys: RoleKeys, _ vault: VaultID) throws -> OwnerKey {
        OwnerKey(
            version: UInt32(truncatingIfNeeded: version),
            key: try unwrap(wrapped, epoch, previous: false, keys, vault),
            previous: try previous.map {
                (
                    UInt32(truncatingIfNeeded: $0.version),
                    try unwrap($0.wrapped, $0.epoch, previous: true, keys, vault)
                )
            })
    }

    /// The same keys under the present key of the role.
    package func rewrapped(_ keyring: Keyring) throws -> OwnerKeyRow {
        let wrapper = try keyring.roleKeys.current(role)
        var row = self
        row.epoch = Int64(wrapper.epoch)
        row.wrapped = Self.wrap(
            try unwrap(wrapped, epoch, previous: false, keyring.roleKeys, keyring.vault), under: wrapper,
            owner, previous: false,
            keyring.vault)
        if let previous {
            row.previous?.epoch = Int64(wrapper.epoch)
            row.previous?.wrapped = Self.wrap(
                try unwrap(previous.wrapped, previous.epoch, previous: true, keyring.roleKeys, keyring.vault),
                under: wrapper, owner,
                previous: true, keyring.vault)
        }
        return row
    }

    /// Another key; the present one becomes the one before.
    package func renewed(_ keyring: Keyring) throws -> OwnerKeyRow {
        let wrapper = try keyring.roleKeys.current(role)
        var row = self
        row.previous = Previous(
            version: version, epoch: Int64(wrapper.epoch),
            wrapped: Self.wrap(
                try unwrap(wrapped, epoch, previous: false, keyring.roleKeys, keyring.vault), under: wrapper,
                owner, previous: true,
                keyring.vault))
        row.version = version + 1
        row.epoch = Int64(wrapper.epoch)
        row.wrapped = Self.wrap(.random(), under: wrapper, owner, previous: false, keyring.vault)
        return row
    }

    /// Without the key before.
    package var current: OwnerKeyRow {
        var row = self
        row.previous = nil
        return row
    }

    private func unwrap(
        _ wrapped: [UInt8], _ epoch: Int64, previous: Bool, _ keys: RoleKeys, _ vault: VaultID
    ) throws -> GuardedKey {
        try KeyWrap.unwrap(
            wrapped, with: keys.key(role, epoch: epoch), epoch: UInt32(truncatingIfNeeded: epoch),
            for: Self.context(vault, owner, role, previous: previous))
    }

    private static func wrap(
        _ key: GuardedKey, under wrapper: RoleKey, _ owner: OwnerID, previous: Bool, _ vault: VaultID
    ) -> [UInt8] {
        KeyWrap.wrap(
            key, under: wrapper.key, epoch: wrapper.epoch,
            for: context(vault, owner, wrapper.role, previous: previous))
    }

    private static func context(
        _ vault: VaultID, _ owner: OwnerID, _ role: KeyRole, previous: Bool
    ) -> AssociatedData {
        AssociatedData(
            domain: SealedTable.wrapDomain, vault: vault, owner: owner, table: TableLayout.ownerKeys.number,
            column: columnNumber(previous ? "previous_wrapped" : "wrapped"), row: id(owner, role),
            generation: 0)
    }
}

extension OwnerKeyRow: TypedRow {
    package static let layout = TableLayout.ownerKeys

    package init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        owner = OwnerID(try columns.integer())
        role = try columns.kind()
        version = try columns.integer()
        epoch = try columns.integer()
        wrapped = try columns.blob()
        if let version = try columns.optionalInteger() {
            previous = Previous(version: version, epoch: try columns.integer(), wrapped: try columns.blob())
        } else {
            try columns.skip()
            try columns.skip()
        }
        guard id == row.id else {
            throw VaultError(
                .integrity, "Row \(row.id) of owner_keys has the wrong number.",
                remedy: "Restore a backup.")
        }
    }

    package var columns: [SQLValue] {
        [
            .integer(owner.rawValue), .integer(role.rawValue), .integer(version), .integer(epoch),
            .blob(wrapped), SQLValue(previous?.version), SQLValue(previous?.epoch),
            SQLValue(previous?.wrapped),
        ]
    }
}
