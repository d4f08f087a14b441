import TokenVault
import VaultCore

/// A backup that was made: `{"backup":"…","bytes":N,"created_at":"…","keys":"…","log_size":N,"out":"…", …}`.
struct BackupRecordShown: Record {
    let backup: String
    let out: String
    let keys: String?
    let bytes: Int64
    let logSize: Int64
    let logRoot: String
    let createdAt: Timestamp
    let keepUntil: Timestamp?

    init(_ receipt: BackupReceipt) {
        backup = receipt.backup.description
        out = receipt.path
        keys = receipt.keysPath
        bytes = receipt.byteCount
        logSize = receipt.logSize
        logRoot = receipt.logRoot
        createdAt = Timestamp(receipt.createdAt)
        keepUntil = receipt.keepUntil.map(Timestamp.init)
    }

    var lines: [String] {
        Table.pairs(
            [("backup", backup), ("out", out)] + (keys.map { [("keys", $0)] } ?? [])
                + [
                    ("bytes", "\(bytes)"), ("log_size", "\(logSize)"), ("log_root", logRoot),
                    ("created_at", createdAt.description),
                    ("keep_until", keepUntil?.description ?? "-"),
                ])
    }
}

/// A backup as it describes itself.
struct BackupFactsRecord: Encodable, Sendable {
    let backup: String
    let vaultId: String
    let createdAt: Timestamp
    let keyEpoch: Int64
    let schema: Int
    let logSize: Int64
    let logRoot: String
    /// The log's signed note.
    let checkpoint: String
    let databaseBytes: Int64
    let bytes: Int64

    init(_ facts: BackupFacts) {
        backup = facts.backup.description
        vaultId = facts.vault.description
        createdAt = Timestamp(facts.createdAt)
        keyEpoch = facts.keyEpoch
        schema = facts.schema
        logSize = facts.logSize
        logRoot = facts.logRoot
        checkpoint = facts.checkpoint
        databaseBytes = facts.databaseBytes
        bytes = facts.fileBytes
    }

    var pairs: [(String, String)] {
        [
            ("backup", backup), ("vault_id", vaultId), ("created_at", createdAt.description),
            ("key_epoch", "\(keyEpoch)"), ("schema", "\(schema)"), ("log_size", "\(logSize)"),
            ("log_root", logRoot), ("database_bytes", "\(databaseBytes)"), ("bytes", "\(bytes)"),
        ]
    }
}

/// What `backup inspect` shows: `{"facts":{…},"keys":{…},"whole":true}`.
struct InspectionRecord: Record {
    let facts: BackupFactsRecord
    let keys: Keys?
    let whole: Bool

    struct Keys: Encodable, Sendable {
        let vaultId: String
        let keyEpoch: Int64
        let createdAt: Timestamp
        let slots: [String]
        /// Whether they are of this backup's vault and root key.
        let fit: Bool
    }

    init(_ inspection: BackupInspection, keys: BackupKeysFacts?) {
        facts = BackupFactsRecord(inspection.facts)
        whole = inspection.isWhole
        self.keys = keys.map {
            Keys(
                vaultId: $0.vault.description, keyEpoch: $0.keyEpoch, createdAt: Timestamp($0.createdAt),
                slots: $0.slots,
                fit: $0.vault == inspection.facts.vault && $0.keyEpoch == inspection.facts.keyEpoch)
        }
    }

    var lines: [String] {
        var pairs = facts.pairs + [("whole", whole ? "yes" : "NO: it is damaged")]
        if let keys {
            pairs.append(("keys_fit", keys.fit ? "yes" : "NO: they are of another vault or root key"))
            pairs.append(("opened_by", keys.slots.joined(separator: ", ")))
        } else {
            pairs.append(("opened_by", "keys of this vault and key epoch, and one of their keyslots"))
        }
        return Table.pairs(pairs)
    }
}

/// What `backup verify` found: `{"audit":{…},"facts":{…},"ok":true}`.
struct VerificationRecord: Record {
    let ok: Bool
    let facts: BackupFactsRecord
    let audit: AuditVerdict
    let structure: String?

    init(_ verification: BackupVerification) {
        ok = verification.isIntact
        facts = BackupFactsRecord(verification.facts)
        audit = AuditVerdict(verification.report)
        structure = verification.structure
    }

    var lines: [String] {
        Table.pairs(facts.pairs) + audit.lines + (structure.map { ["Besides, \($0)."] } ?? [])
    }
}
