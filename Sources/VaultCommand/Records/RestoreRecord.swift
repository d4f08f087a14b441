import TokenVault
import VaultCore

/// What a restore would do, or did.
/// `{"applied":false,"backup":{…},"connections":[…],"grants":[…],"incarnation":2,"owners":[…], …}`
struct RestoreRecord: Record {
    let applied: Bool
    let backup: BackupFactsRecord
    let newest: Newest?
    let incarnation: Int64
    let grants: [MovedGrant]
    let revokedGrants: Int64
    let keptGrants: Int64
    let lostGrants: [Int64]
    let connections: [MovedConnectionItem]
    let keptConnections: Int64
    let lostConnections: [Int64]
    let owners: [MovedOwnerItem]
    let lostOwners: [Int64]
    let retired: [Retired]
    let notes: [String]
    /// Of the restored vault.
    var vault: String?
    var logOrigin: String?
    var logVerifierKey: String?

    struct Newest: Encodable, Sendable {
        let size: Int64
        let root: String
        let entriesSince: Int64
        let hasEntries: Bool
    }

    struct MovedGrant: Encodable, Sendable {
        let grant, generation: Int64
        let newestGeneration: Int64?
        let because: String
    }

    struct MovedConnectionItem: Encodable, Sendable {
        let connection, generation: Int64
        let newestGeneration: Int64?
        let because: String?
        let action: String
    }

    struct MovedOwnerItem: Encodable, Sendable {
        let owner: Int64
        let kind, change: String
    }

    struct Retired: Encodable, Sendable {
        let table: String
        let id: Int64
        let what: String
    }

    init(_ plan: RestorePlan, applied: Bool = false) {
        self.applied = applied
        backup = BackupFactsRecord(plan.backup)
        newest = plan.newest.map {
            Newest(size: $0.size, root: $0.root, entriesSince: $0.entriesSince, hasEntries: $0.hasEntries)
        }
        incarnation = plan.incarnation
        grants = plan.movedGrants.map {
            MovedGrant(
                grant: $0.id, generation: $0.generation, newestGeneration: $0.newestGeneration,
                because: $0.because)
        }
        revokedGrants = plan.revokedGrants
        keptGrants = plan.keptGrants
        lostGrants = plan.lostGrants
        connections = plan.movedConnections.map {
            MovedConnectionItem(
                connection: $0.id, generation: $0.generation, newestGeneration: $0.newestGeneration,
                because: $0.because, action: $0.action.rawValue)
        }
        keptConnections = plan.keptConnections
        lostConnections = plan.lostConnections
        owners = plan.movedOwners.map {
            MovedOwnerItem(
                owner: $0.id.rawValue, kind: $0.isClient ? "client" : "user", change: $0.change.rawValue)
        }
        lostOwners = plan.lostOwners
        retired = plan.retired.map { Retired(table: $0.table, id: $0.id, what: $0.what) }
        notes = plan.notes
    }

    init(_ outcome: RestoreOutcome) {
        self.init(outcome.plan, applied: true)
        vault = outcome.path
        logOrigin = outcome.logOrigin
        logVerifierKey = outcome.logVerifierKey
    }
}

extension RestoreRecord {
    var lines: [String] {
        var pairs = [
            ("backup", "\(backup.backup) of \(backup.createdAt), \(backup.logSize) entries"),
            ("newest_log", newest.map { "\($0.entriesSince) entries later" } ?? "none"),
            ("incarnation", "\(incarnation)"),
            ("grants", "\(keptGrants) go on, \(revokedGrants) \(applied ? "revoked" : "to be revoked")"),
            ("connections", "\(keptConnections) go on, \(connections.count) do not"),
        ]
        if let vault { pairs.append(("vault", vault)) }
        if let logOrigin { pairs.append(("log_origin", logOrigin)) }
        if let logVerifierKey { pairs.append(("log_verifier_key", logVerifierKey)) }
        return Table.pairs(pairs) + moved + notes
    }

    private var moved: [String] {
        grants.map { "grant \($0.grant): generation \($0.generation), moved on by \($0.because)" }
            + connections.map {
                "connection \($0.connection): \($0.action)" + ($0.because.map { ", moved on by \($0)" } ?? "")
            }
            + owners.map { "\($0.kind) \($0.owner): \($0.change)" }
            + retired.map { "\($0.table) \($0.id): \($0.what)" }
            + Self.lost(lostGrants, "grants") + Self.lost(lostConnections, "connections")
            + Self.lost(lostOwners, "users and clients")
    }

    private static func lost(_ ids: [Int64], _ what: String) -> [String] {
        guard !ids.isEmpty else { return [] }
        let shown = ids.prefix(20).map(String.init).joined(separator: ", ")
        return ["newer than the backup, so lost: \(what) \(shown)\(ids.count > 20 ? " and others" : "")"]
    }
}
