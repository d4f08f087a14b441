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

/// What a restore would do, or did:
/// `{"applied":false,"backup":{…},"incarnation":2,"moved":[{"because":"token.refresh","becomes":"ended","id":7, …}], …}`
struct RestoreRecord: Record {
    let plan: RestorePlan
    var outcome: RestoreOutcome?

    private enum CodingKeys: CodingKey { case applied, vault, logOrigin, logVerifierKey }

    func encode(to encoder: any Encoder) throws {
        try plan.encode(to: encoder)
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(outcome != nil, forKey: .applied)
        try values.encodeIfPresent(outcome?.path, forKey: .vault)
        try values.encodeIfPresent(outcome?.logOrigin, forKey: .logOrigin)
        try values.encodeIfPresent(outcome?.logVerifierKey, forKey: .logVerifierKey)
    }

    var lines: [String] {
        let (backup, newest) = (plan.backup, plan.newest)
        let moved = plan.moved.filter { $0.becomes != .lost }
        let end = outcome == nil ? "to be revoked" : "revoked"
        var pairs = [
            ("backup", "\(backup.backup) of \(Timestamp(backup.createdAt)), \(backup.logSize) entries"),
            ("newest_log", newest.map { "\($0.entriesSince) entries later" } ?? "none"),
            ("incarnation", "\(plan.incarnation)"),
            ("grants", "\(plan.keptGrants) go on, \(plan.revokedGrants) \(end)"),
            (
                "connections",
                "\(plan.keptConnections) go on, \(moved.filter { $0.kind == "connection" }.count) do not"
            ),
        ]
        if let outcome {
            pairs += [
                ("vault", outcome.path), ("log_origin", outcome.logOrigin),
                ("log_verifier_key", outcome.logVerifierKey),
            ]
        }
        return Table.pairs(pairs)
            + moved.map { "\($0.kind) \($0.id): \($0.becomes)" + ($0.because.map { ", after \($0)" } ?? "") }
            + lost + plan.notes
    }

    private var lost: [String] {
        let byKind = Dictionary(grouping: plan.moved.filter { $0.becomes == .lost }, by: \.kind)
        return byKind.sorted { $0.key < $1.key }.map { kind, rows in
            let shown = rows.prefix(20).map { "\($0.id)" }.joined(separator: ", ")
            return "newer than the backup, so lost: \(kind) \(shown)" + (rows.count > 20 ? " and others" : "")
        }
    }
}
