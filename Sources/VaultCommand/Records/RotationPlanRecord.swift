import TokenVault

/// What a rotation would do, as printed: `{"dry_run":true,"estimated_seconds":2,"owners":41,"records":0,
/// "resumes":false,"rotates":"root","slots":[{"kind":"key-file","name":"first","reach":"held"}]}`.
struct RotationPlanRecord: Record {
    let dryRun = true
    let rotates: String
    /// An interrupted rotation would be taken up.
    let resumes: Bool
    /// Users and clients whose keys would be wrapped or made anew.
    let owners: Int64
    /// Records or rows that would be written anew.
    let records: Int64
    let slots: [KeyRotationPlan.Slot]
    let estimatedSeconds: Int64

    init(_ plan: KeyRotationPlan) {
        rotates = plan.kind
        resumes = plan.isResuming
        owners = plan.owners
        records = plan.records
        slots = plan.slots
        estimatedSeconds = plan.estimatedSeconds
    }

    /// A rotation that writes nothing anew.
    init(rotates: String) {
        self.rotates = rotates
        (resumes, owners, records, slots, estimatedSeconds) = (false, 0, 0, [], 1)
    }

    var lines: [String] {
        var pairs = [("would_rotate", rotates + (resumes ? " (taking up an interrupted rotation)" : ""))]
        if owners > 0 { pairs.append(("owner_keys", "\(owners)")) }
        if records > 0 { pairs.append(("records", "\(records)")) }
        for slot in slots {
            pairs.append(("slot", "\(slot.name) (\(slot.kind)): \(Self.sentence(slot.reach))"))
        }
        pairs.append(("takes_about", "\(estimatedSeconds) s when idle"))
        return Table.pairs(pairs)
    }

    private static func sentence(_ reach: KeyRotationPlan.Reach) -> String {
        switch reach {
        case .held: "reached by its held key"
        case .publicKey: "sealed anew to its public key"
        case .given: "made anew from its source"
        case .missing: "NOT reached: its key is needed"
        }
    }
}
