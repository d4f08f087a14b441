import VaultCore
import VaultCustody

extension Shown {
    init(_ receipt: BackupReceipt) {
        self.init(
            [
                .text("backup", receipt.backup.description), .text("out", receipt.path),
                .text("keys", receipt.keysPath), .text("bytes", "\(receipt.byteCount)"),
                .text("log_size", "\(receipt.logSize)"), .text("log_root", receipt.logRoot),
                .text("created_at", "\(Timestamp(receipt.createdAt))"),
                .text("keep_until", receipt.keepUntil.map { "\(Timestamp($0))" } ?? "-"),
            ], of: receipt)
    }

    /// What `backup inspect` shows: `{"facts":{…},"keys":{…},"keys_fit":true,"whole":true}`.
    init(_ inspection: BackupInspection, keys: BackupKeys?) {
        let facts = inspection.facts
        // Whether they are of this backup's vault and root key.
        let keysFit = keys.map { $0.vault == facts.vault && $0.epoch == facts.epoch }
        self.init(
            facts.fields + [
                .json("facts", facts), .json("keys", keys),
                .both("whole", inspection.isWhole, as: inspection.isWhole ? "yes" : "NO: it is damaged"),
                .both(
                    "keys_fit", keysFit,
                    as: keysFit.map { $0 ? "yes" : "NO: they are of another vault or root key" }),
                .text(
                    "opened_by",
                    keys?.slots.joined(separator: ", ")
                        ?? "keys of this vault and key epoch, and one of their keyslots"),
            ])
    }

    /// What `backup verify` found: `{"audit":{…},"facts":{…},"ok":true}`.
    init(_ verification: BackupVerification) {
        let facts = verification.facts
        let audit = Shown(verification.report)
        let structure = verification.structure
        self.init(
            [
                .json("ok", verification.isIntact), .json("facts", facts), .json("audit", audit),
                .json("structure", structure),
            ] + facts.fields)
        lines += audit.lines + (structure.map { ["Besides, \($0)."] } ?? [])
    }
}

extension BackupHeader {
    fileprivate var fields: [Shown.Field] {
        [
            .text("backup", backup.description), .text("vault_id", vault.description),
            .text("created_at", "\(Timestamp(createdAt))"), .text("key_epoch", "\(epoch)"),
            .text("schema", "\(schema)"), .text("log_size", "\(logSize)"), .text("log_root", root),
            .text("database_bytes", "\(byteCount)"), .text("bytes", "\(fileBytes)"),
        ]
    }
}

extension Shown {
    /// What a restore would do, or did:
    /// `{"applied":false,"backup":{…},"incarnation":2,"moved":[{"because":"token.refresh","becomes":"ended","id":7, …}], …}`
    init(_ plan: RestorePlan, _ outcome: RestoreOutcome? = nil) {
        let (backup, newest) = (plan.backup, plan.newest)
        let moved = plan.moved.filter { $0.becomes != .lost }
        let end = outcome == nil ? "to be revoked" : "revoked"
        self.init(
            [
                .json("applied", outcome != nil),
                .text(
                    "backup",
                    "\(backup.backup) of \(Timestamp(backup.createdAt)), \(backup.logSize) entries"),
                .text("newest_log", newest.map { "\($0.entriesSince) entries later" } ?? "none"),
                .text("incarnation", "\(plan.incarnation)"),
                .text("grants", "\(plan.keptGrants) go on, \(plan.revokedGrants) \(end)"),
                .text(
                    "connections",
                    "\(plan.keptConnections) go on, \(moved.count { $0.kind == "connection" }) do not"),
                .both("vault", outcome?.path), .both("log_origin", outcome?.logOrigin),
                .both("log_verifier_key", outcome?.logVerifierKey),
            ], of: plan)
        lines +=
            moved.map { "\($0.kind) \($0.id): \($0.becomes)" + ($0.because.map { ", after \($0)" } ?? "") }
            + Self.lost(plan) + plan.notes.map(Acts.spelledOut)
    }

    private static func lost(_ plan: RestorePlan) -> [String] {
        let byKind = Dictionary(grouping: plan.moved.filter { $0.becomes == .lost }, by: \.kind)
        return byKind.sorted { $0.key < $1.key }.map { kind, rows in
            let shown = rows.prefix(20).map { "\($0.id)" }.joined(separator: ", ")
            return "newer than the backup, so lost: \(kind) \(shown)" + (rows.count > 20 ? " and others" : "")
        }
    }
}
