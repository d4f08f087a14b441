public import VaultCore
import VaultCrypto

/// What a restore would do, or did: everything that moved on since the backup, and what becomes of it.
public struct RestorePlan: Sendable {
    /// What is restored.
    public internal(set) var backup: BackupFacts
    /// What tells of the time since; nil: nothing does.
    public internal(set) var newest: NewestLogFacts?
    /// Live grants of the backup that end by the restore. With entries at hand exactly those that moved on;
    /// otherwise every one of them, and the list is empty.
    public internal(set) var movedGrants: [MovedRow] = []
    public internal(set) var revokedGrants: Int64 = 0
    /// Live grants of the backup that go on.
    public internal(set) var keptGrants: Int64 = 0
    /// Grants that were issued since the backup and are not in it.
    public internal(set) var lostGrants: [Int64] = []
    public internal(set) var movedConnections: [MovedConnection] = []
    public internal(set) var keptConnections: Int64 = 0
    /// Connections that were made since the backup and are not in it.
    public internal(set) var lostConnections: [Int64] = []
    public internal(set) var movedOwners: [MovedOwner] = []
    /// Users and clients that were added since the backup and are not in it.
    public internal(set) var lostOwners: [Int64] = []
    /// Other rows that are put out of use, since what replaced them is lost.
    public internal(set) var retired: [RetiredRow] = []
    /// What an operator has to look at, in sentences.
    public internal(set) var notes: [String] = []
    /// Which life of the vault begins, from 2; two restores of one backup may both be the second.
    public internal(set) var incarnation: Int64 = 2
}

/// A grant that is not what it was when the backup was made.
public struct MovedRow: Sendable, Equatable {
    public let id: Int64
    /// In the backup.
    public let generation: Int64
    /// In the newest log; nil where it does not say.
    public let newestGeneration: Int64?
    /// The last deed to it, a verb of the log.
    public let because: String
}

/// A connection that is not, or may not be, what it was when the backup was made.
public struct MovedConnection: Sendable, Equatable {
    public enum Action: String, Sendable {
        /// Its tokens are destroyed, and its user has to consent again; what is to be revoked is revoked first.
        case quarantined
        /// It was given up since, and is so again; its tokens are destroyed.
        case revoked
        /// Tokens of our own, which are simply asked for again.
        case renewed
    }

    public let id: Int64
    /// In the backup.
    public let generation: Int64
    public let newestGeneration: Int64?
    /// The last deed to it, a verb of the log; nil: nothing tells.
    public let because: String?
    public let action: Action
    /// The newest log has it no more.
    let isGone: Bool
}

/// A user or client about whom something was decided since the backup.
public struct MovedOwner: Sendable, Equatable {
    public enum Change: String, Sendable {
        case enabled, disabled, removed, erased
        /// Every grant was revoked at once.
        case revoked
        /// Something this version does not know, or a new registration that is lost: disabled until an operator looks.
        case quarantined
    }

    public let id: OwnerID
    public let isClient: Bool
    public let change: Change
    /// How many times every grant was revoked at once.
    let revocations: Int64
}

/// A row of another table that is put out of use.
public struct RetiredRow: Sendable, Equatable {
    /// As docs/schema.md calls it.
    public let table: String
    public let id: Int64
    /// A sentence.
    public let what: String
    let number: UInt16
    /// The newest log has it no more.
    let isGone: Bool
}

/// What the newest log proved.
public struct NewestLogFacts: Sendable {
    public let size: Int64
    /// 64 hexadecimal digits.
    public let root: String
    /// Entries since the backup.
    public let entriesSince: Int64
    /// False for a checkpoint alone, of a longer log: it says that there is more, not what.
    public let hasEntries: Bool
}

/// What a backup says of itself.
public struct BackupFacts: Sendable {
    public let vault: VaultID
    public let backup: BackupID
    public let createdAt: VaultInstant
    /// Of the root key that opens it.
    public let keyEpoch: Int64
    public let schema: Int
    /// Entries of the log in it.
    public let logSize: Int64
    /// 64 hexadecimal digits.
    public let logRoot: String
    /// The log's signed note.
    public let checkpoint: String
    /// Of the database inside.
    public let databaseBytes: Int64
    /// Of the backup itself.
    public let fileBytes: Int64

    init(_ header: BackupHeader) {
        vault = header.vault
        backup = header.backup
        createdAt = header.createdAt
        keyEpoch = Int64(header.epoch)
        schema = header.schema
        logSize = header.logSize
        logRoot = Hex.encode(header.logRoot.bytes)
        checkpoint = header.note
        databaseBytes = header.byteCount
        fileBytes = header.fileBytes
    }
}
