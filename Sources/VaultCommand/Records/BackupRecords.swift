import TokenVault
import VaultCore

extension BackupReceipt: Record {
    var lines: [String] {
        Table.pairs(
            [("backup", backup.description), ("out", path)] + (keysPath.map { [("keys", $0)] } ?? [])
                + [
                    ("bytes", "\(byteCount)"), ("log_size", "\(logSize)"), ("log_root", logRoot),
                    ("created_at", Timestamp(createdAt).description),
                    ("keep_until", keepUntil.map { Timestamp($0).description } ?? "-"),
                ])
    }
}

extension BackupHeader {
    fileprivate var pairs: [(String, String)] {
        [
            ("backup", backup.description), ("vault_id", vault.description),
            ("created_at", Timestamp(createdAt).description), ("key_epoch", "\(epoch)"),
            ("schema", "\(schema)"), ("log_size", "\(logSize)"), ("log_root", root),
            ("database_bytes", "\(byteCount)"), ("bytes", "\(fileBytes)"),
        ]
    }
}

/// What `backup inspect` shows: `{"facts":{…},"keys":{…},"keys_fit":true,"whole":true}`.
struct InspectionRecord: Record {
    let facts: BackupHeader
    let whole: Bool
    let keys: BackupKeys?
    /// Whether they are of this backup's vault and root key.
    let keysFit: Bool?

    init(_ inspection: BackupInspection, keys: BackupKeys?) {
        facts = inspection.facts
        whole = inspection.isWhole
        self.keys = keys
        keysFit = keys.map { $0.vault == inspection.facts.vault && $0.epoch == inspection.facts.epoch }
    }

    var lines: [String] {
        var pairs = facts.pairs + [("whole", whole ? "yes" : "NO: it is damaged")]
        if let keys, let keysFit {
            pairs.append(("keys_fit", keysFit ? "yes" : "NO: they are of another vault or root key"))
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
    let facts: BackupHeader
    let audit: Shown
    let structure: String?

    init(_ verification: BackupVerification) {
        ok = verification.isIntact
        facts = verification.facts
        audit = Shown(verification.report)
        structure = verification.structure
    }

    var lines: [String] {
        Table.pairs(facts.pairs) + audit.lines + (structure.map { ["Besides, \($0)."] } ?? [])
    }
}
