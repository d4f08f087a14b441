public import TokenVault
public import VaultCore
public import VaultCrypto
import VaultStore

/// What a rotation would do, at the time of the plan.
public struct KeyRotationPlan: Sendable {
    /// How a keyslot would get its new root key.
    public enum Reach: String, Encodable, Sendable {
        /// Its key is held under the root key, so it need not be given.
        case held
        /// Sealed to a recovery key's public half.
        case publicKey = "public_key"
        /// Made again from a source that was given, which opened it just now.
        case given
        /// No given source opens it: the rotation would be refused.
        case missing
    }

    public struct Slot: Encodable, Sendable {
        public let name: String
        public let kind: String
        public let reach: Reach
    }

    /// The kind of the rotation, as ``KeyRotationReport/kind``.
    public let kind: String
    /// Whether an interrupted rotation would be resumed instead of a new one begun.
    public let isResuming: Bool
    /// The number of users and clients whose keys would be wrapped or made again.
    public let owners: Int64
    /// The number of records or rows that would be written again.
    public let records: Int64
    /// The keyslots that would be rewrapped; empty if none is touched.
    public let slots: [Slot]

    /// On an idle machine of two cores; live traffic makes it longer. 20,000 keys a second
    /// (`docs/performance.md` has more), 5,000 records a second, which is a guess, and a second for each
    /// source that is hashed.
    public var estimatedSeconds: Int64 {
        1 + owners / 20_000 + records / 5_000 + Int64(slots.count { $0.reach == .given })
    }
}

extension VaultKeys {
    /// What ``rotateRoot(progress:)``, or ``rotateRole(_:progress:)``, would do, once every keyslot was wrapped for a new root key and opened again,
    /// and all that was rolled back.
    ///
    /// - Parameter source: what opened this vault.
    /// - Throws: ``VaultError/Code/integrity`` for a slot that its held key does not open.
    public func planRootRotation(
        openedBy source: KeySource, of roles: VaultRoles = .everything
    ) async throws -> KeyRotationPlan {
        let (slots, isResuming) = try await vault.snapshot { database, keys in
            _ = try keys.keyring.root
            return (try StoredKeyslot.all(database, keys.keyring), !keys.keyring.roleKeys.rotating.isEmpty)
        }
        let condition = roles.role.map { "role IN (0, \($0.rawValue))" } ?? "true"
        let plan = KeyRotationPlan(
            kind: roles == .everything ? "root" : roles.rawValue, isResuming: isResuming,
            owners: try await count(["owner_keys"], condition), records: 0,
            slots: slots.map { slot in
                let isOpened = slot.row.record.id == vault.unlocker.slotID
                return slot.planned(slot.isRotatable || isOpened ? .held : .missing)
            })
        if plan.isReachable {
            _ = try await rehearseSlotRotation(openedBy: [source], isOpenedSlotNoted: true)
        }
        return plan
    }

    /// Returns what ``rotateDeeply(openedBy:others:progress:)`` would do, after each source opened its keyslot.
    public func planDeepRotation(openedBy source: KeySource, others: [KeySource] = []) async throws
        -> KeyRotationPlan
    {
        let (slots, present, isResuming) = try await vault.snapshot { database, keys in
            (
                try StoredKeyslot.all(database, keys.keyring), try NextKeys(in: keys.keyring),
                try database.rotationJob("deep") != nil
            )
        }
        // The first transaction has made all slots again already where one is taken up.
        let planned = try await BlockingThread.result { () -> [KeyRotationPlan.Slot] in
            guard !isResuming else { return [] }
            return slots.map { slot in
                let isOpened = ([source] + others).contains {
                    Self.opens($0, slot.row.record, present, vault.id)
                }
                return slot.planned(isOpened ? .given : .missing)
            }
        }
        return KeyRotationPlan(
            kind: "deep", isResuming: isResuming, owners: try await count(["owner_keys"]),
            records: try await count(SealedColumns.all.map(\.layout.name) + ["audit_personal"])
                + count(TableLayout.tagged.map(\.name)),
            slots: planned)
    }

    /// What ``rotate(_:progress:)`` would do.
    public func planRotation(_ kind: SystemKeyKind) async throws -> KeyRotationPlan {
        let (isResuming, tables): (Bool, [String]) = try await vault.snapshot { database, keys in
            switch kind {
            case .rows: (keys.keyring.rows.isRotating, TableLayout.tagged.map(\.name))
            case .lookup:
                (try database.rotationJob("lookup") != nil, ["owners", "clients", "connections"])
            case .handles, .tags, .log: (false, [])
            }
        }
        return KeyRotationPlan(
            kind: kind.rawValue, isResuming: isResuming, owners: 0, records: try await count(tables),
            slots: [])
    }

    private func count(_ tables: [String], _ condition: String = "true") async throws -> Int64 {
        try await vault.scan { database, _ in
            try tables.reduce(0) { sum, table in
                try sum + database.rowCount(table, where: condition)
            }
        }
    }
}

extension KeyRotationPlan {
    /// Whether the rotation can be done with the given sources.
    public var isReachable: Bool { !slots.contains { $0.reach == .missing } }

    /// The error that the rotation would throw for keyslots that no source opens; nil if there are none.
    public var refusal: VaultError? {
        let names = slots.filter { $0.reach == .missing }.map(\.name)
        guard !names.isEmpty else { return nil }
        return kind == "deep" ? .unopenedKeyslots(names) : .unheldKeyslots(names)
    }
}

extension StoredKeyslot {
    fileprivate func planned(_ reach: KeyRotationPlan.Reach) -> KeyRotationPlan.Slot {
        KeyRotationPlan.Slot(
            name: name, kind: row.record.kind.word,
            reach: row.record.kind == .recoveryKey && isRotatable ? .publicKey : reach)
    }
}

extension VaultError {
    static func unopenedKeyslots(_ names: [String]) -> VaultError {
        VaultError(
            .denied,
            "A deep rotation remakes keyslots, and no given key opens: " + names.joined(separator: ", ")
                + ".",
            remedy:
                "Give the key files of the others too, or remove the keyslot of each first.")
    }

    static func unheldKeyslots(_ names: [String]) -> VaultError {
        VaultError(
            .denied,
            "Keyslots were not tested since they were made or restored: " + names.joined(separator: ", ")
                + ".",
            remedy: "Test the keyslot of each with its key, or remove it.")
    }
}
