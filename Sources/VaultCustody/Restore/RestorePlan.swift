import Foundation
import TokenVault
import VaultCore
import VaultCrypto
import VaultStore

/// What a restore would do, or did: everything that moved on since the backup, and what becomes of it.
public struct RestorePlan: Sendable, Encodable {
    /// The header of the backup that is restored.
    public let backup: BackupHeader
    /// The newest log; nil if none was given.
    public internal(set) var newest: NewestLogFacts?
    /// Without entries, every connection that has tokens, and no grant: then all grants end, or none.
    public internal(set) var moved: [MovedRow] = []
    /// Live grants of the backup that end by the restore.
    public internal(set) var revokedGrants: Int64 = 0
    /// The number of live grants of the backup that stay live.
    public internal(set) var keptGrants: Int64 = 0
    public internal(set) var keptConnections: Int64 = 0
    /// What an operator should read, in sentences.
    public internal(set) var notes: [String] = []
    /// The number of the incarnation that begins, from 2; two restores of one backup may have the same.
    public internal(set) var incarnation: Int64 = 2
}

/// A row that changed, or may have changed, since the backup was made.
public struct MovedRow: Sendable, Encodable {
    public enum Fate: String, Sendable, Encodable {
        /// A grant, or a client's secret, that is no longer accepted.
        case ended
        /// A connection: its tokens are destroyed, and its user has to consent again; what is to be revoked keeps them
        /// until it is.
        case quarantined
        /// A user or client, until an operator looks.
        case disabled
        /// A provider: it is not called until an operator resumes it.
        case stopped
        case removed
        /// A user whose key is destroyed again.
        case erased
        /// Newer than the backup, and so not in it.
        case lost
    }

    /// `user`, `client`, `grant`, `connection` and so on.
    public let kind: String
    public let id: Int64
    /// The last operation on it, a verb of the log; nil if not known.
    public let because: String?
    public let becomes: Fate
    /// Number of its table.
    let table: UInt16

    private enum CodingKeys: CodingKey { case kind, id, because, becomes }
}

/// What the newest log proves.
public struct NewestLogFacts: Sendable, Encodable {
    public let size: Int64
    /// 64 hexadecimal digits.
    public let root: String
    /// The number of entries since the backup.
    public let entriesSince: Int64
    /// False for a checkpoint alone, of a longer log: it says that there is more, not what.
    public let hasEntries: Bool
}

/// Compares a backup with what happened since: reads, changes nothing.
///
/// What the newer log names has moved on: its grants and secrets end, its connections are quarantined, its users and
/// clients are disabled. What it says was erased or removed is so again.
struct RestorePlanner {
    let database: Database
    let keyring: Keyring
    /// Nil: nothing tells what moved on.
    let replay: LogReplay?
    let keepsGrants: Bool
    /// Identifier of the keyslot that opened the backup.
    let openedBy: [UInt8]
    private(set) var plan: RestorePlan
    /// Every grant that is to end.
    private(set) var endedGrants: [Int64] = []

    mutating func fill() throws {
        try planGrants()
        try planConnections()
        if let replay {
            try planOwners(replay)
            try planOthers(replay)
            try planKeyslots(replay)
            planNotes(replay)
        } else {
            plan.notes.append(
                "Nothing tells what happened since the backup: look through users, clients, passwords, secrets and "
                    + "providers for changes that were made since \(plan.backup.createdAt.iso8601).")
        }
        let later = Incarnation(id: replay?.largest[TableLayout.incarnations.number] ?? 1)
        plan.incarnation = max(try database.newestIncarnation().number, later.number) + 1
    }

    private mutating func add(
        _ layout: TableLayout, _ id: Int64, _ fate: LogReplay.Fate?, _ becomes: MovedRow.Fate,
        kind: String? = nil
    ) {
        let noun = String(layout.name.dropLast()).replacing("_", with: " ")
        plan.moved.append(
            MovedRow(
                kind: kind ?? noun, id: id, because: fate?.operation, becomes: becomes, table: layout.number))
    }

    private mutating func addLost(_ layout: TableLayout) throws {
        for (id, fate) in named(layout) where try !fate.isGone && !has(layout, id) {
            add(layout, id, fate, .lost)
        }
    }

    private func named(_ layout: TableLayout) -> [(key: Int64, value: LogReplay.Fate)] {
        (replay?[layout] ?? [:]).sorted { $0.key < $1.key }
    }

    private func has(_ layout: TableLayout, _ id: Int64) throws -> Bool {
        try database.finds("SELECT 1 FROM \(layout.name) WHERE id = ?", [.integer(id)])
    }

    /// Those of a user that is named end too: all may have been revoked at once.
    private mutating func planGrants() throws {
        let (grants, owners) = (replay?[.grants] ?? [:], replay?[.owners] ?? [:])
        let removed = owners.filter { $0.value.operation == AuditOperation.clientRemove.rawValue }
        try database.forEachRow(Self.liveGrants) { row in
            let id = row.integer(0)
            let fate = grants[id] ?? owners[row.integer(1)] ?? removed[row.integer(2)]
            guard replay == nil ? !keepsGrants : fate != nil else {
                plan.keptGrants += 1
                return true
            }
            endedGrants.append(id)
            if let fate { add(.grants, id, fate, .ended) }
            return true
        }
        plan.revokedGrants = Int64(endedGrants.count)
        try addLost(.grants)
    }

    /// Revoked neither themselves, nor with their user or client.
    private static let liveGrants = """
        SELECT g.id, g.owner_id, g.client_id
        FROM grants g JOIN owners o ON o.id = g.owner_id JOIN owners c ON c.id = g.client_id
        WHERE g.state = 1 AND o.state != 3 AND c.state != 3
            AND g.owner_revocations >= o.revocations AND g.client_revocations >= c.revocations
        ORDER BY g.id
        """

    private mutating func planConnections() throws {
        let named = replay?[.connections] ?? [:]
        try database.forEachRow(
            "SELECT id, pair IS NOT NULL OR reply IS NOT NULL, state FROM connections ORDER BY id"
        ) { row in
            let id = row.integer(0)
            let fate = named[id]
            if fate?.isGone == true {
                add(.connections, id, fate, .removed)
            } else if row.integer(2) == ConnectionState.revoked.rawValue {
                return true
            } else if replay == nil ? row.integer(1) != 0 : fate != nil {
                add(.connections, id, fate, .quarantined)
            } else {
                plan.keptConnections += 1
            }
            return true
        }
        try addLost(.connections)
    }

    private mutating func planOwners(_ replay: LogReplay) throws {
        let clients = replay[.clients]
        let named = clients.merging(replay[.owners]) { $1 }
        for (id, fate) in named.sorted(by: { $0.key < $1.key }) {
            let row = try database.load(OwnerRow.self, id, keyring)?.row
            let becomes: MovedRow.Fate =
                switch AuditOperation(rawValue: fate.operation) {
                case _ where row == nil: .lost
                case .userErase: .erased
                case .userRemove, .clientRemove: .removed
                default: .disabled
                }
            let isClient = row.map { $0.kind == .client } ?? (clients[id] != nil)
            add(.owners, id, fate, becomes, kind: isClient ? "client" : "user")
        }
    }

    /// What refers to another row comes before it.
    private mutating func planOthers(_ replay: LogReplay) throws {
        for layout in [
            TableLayout.clientSecrets, .passwords, .consents, .signingKeys, .authorizationRequests, .webhooks,
            .anchors, .providers,
        ] {
            for (id, fate) in named(layout) where try has(layout, id) {
                let becomes: MovedRow.Fate =
                    switch layout.number {
                    case TableLayout.clientSecrets.number where !fate.isGone: .ended
                    case TableLayout.providers.number where !fate.isGone: .stopped
                    default: .removed
                    }
                add(layout, id, fate, becomes)
            }
        }
    }

    /// Removes again what was removed, but never the last way in.
    private mutating func planKeyslots(_ replay: LogReplay) throws {
        let slots = try database.loadAll(KeyslotRow.self, where: "true ORDER BY id", [], keyring)
        var removed = slots.filter { replay[.keyslots][$0.id]?.isGone == true }
        if !slots.contains(where: { $0.record.id == openedBy }) {
            plan.notes.append(
                "The keyslot that opens the backup was added after it, and is kept: remove it if it was removed since."
            )
        } else if slots.allSatisfy({ $0.record.role != 0 || replay[.keyslots][$0.id]?.isGone == true }) {
            removed.removeAll { $0.record.id == openedBy }
            plan.notes.append(
                "Every keyslot of the backup was removed since. The one that opens it is kept, so that the vault can be "
                    + "opened: add another, then remove it.")
        }
        for slot in removed { add(.keyslots, slot.id, replay[.keyslots][slot.id], .removed) }
        try addLost(.keyslots)
    }

    private mutating func planNotes(_ replay: LogReplay) {
        if !replay.rotations.isEmpty {
            plan.notes.append(
                "Keys were rotated since the backup, which brings the older ones back: rotate again ("
                    + replay.rotations.sorted().joined(separator: ", ") + ").")
        }
        if plan.moved.contains(where: { $0.table == TableLayout.clientSecrets.number }) {
            plan.notes.append(
                "Clients whose secret changed since need a new one: make a new client secret for each.")
        }
        if plan.moved.contains(where: { $0.becomes == .disabled }) {
            plan.notes.append("Users and clients that changed since are disabled: look, then enable them.")
        }
    }
}

extension VaultInstant {
    /// RFC 3339, UTC, whole seconds.
    fileprivate var iso8601: String {
        Date(timeIntervalSince1970: Double(secondsSince1970)).formatted(.iso8601)
    }
}
