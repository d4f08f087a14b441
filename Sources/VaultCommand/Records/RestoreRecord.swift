import TokenVault
import VaultCore

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
