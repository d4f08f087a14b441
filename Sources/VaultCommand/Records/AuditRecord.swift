import TokenVault

/// An entry of the log as printed. Its exact bytes are shown by `audit show`.
struct AuditRecord: ListRecord {
    let index: Int64
    let time: Timestamp
    let operation: String
    let outcome: String
    let reason: String?
    let actor: String
    let channel: String
    let subject: String?
    let grant, generation: Int64?
    let fingerprint: String?
    let requestId: String?
    let count: Int64?
    let grants: [Int64]?

    init(_ entry: AuditEntry) {
        index = entry.index
        time = Timestamp(entry.time)
        operation = entry.operation
        outcome = entry.outcome
        reason = entry.reason
        actor = entry.actor
        channel = entry.channel
        subject = entry.subject
        grant = entry.grant
        generation = entry.generation
        fingerprint = entry.fingerprint
        requestId = entry.requestID
        count = entry.count
        grants = entry.grants.isEmpty ? nil : entry.grants
    }

    static let header = ["ENTRY", "TIME", "OPERATION", "OUTCOME", "GRANT", "GENERATION", "REASON"]
    var cells: [String] {
        [
            "\(index)", time.description, operation, outcome, grant.map(String.init) ?? "-",
            generation.map(String.init) ?? "-", reason ?? "",
        ]
    }
}

/// One entry with its exact bytes and its personal data.
struct AuditDetailRecord: Record {
    let index: Int64
    /// As stored and hashed.
    let leaf: String
    let personalData: String?

    init(_ detail: AuditDetail) {
        index = detail.entry.index
        leaf = String(decoding: detail.leaf, as: UTF8.self)
        personalData = detail.personalData
    }

    var lines: [String] {
        Table.pairs([("entry", "\(index)"), ("leaf", leaf), ("personal_data", personalData ?? "-")])
    }
}
