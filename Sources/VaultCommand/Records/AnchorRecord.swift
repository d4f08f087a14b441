import TokenVault

/// An anchor as scripts see it.
struct AnchorRecord: Record, ListRecord {
    let id: Int64
    let kind, target: String
    /// Of a witness.
    let key, keep: String?
    /// Entries of the newest checkpoint it took, and how many came since.
    let size, lag: Int64
    let createdAt: Timestamp
    let anchoredAt: Timestamp?
    let failures: Int64
    let trouble: String?

    init(_ anchor: Anchor) {
        id = anchor.id
        kind = anchor.kind.rawValue
        target = anchor.target
        key = anchor.witnessKey
        keep = anchor.keptAt
        size = anchor.size
        lag = anchor.lag
        createdAt = Timestamp(anchor.createdAt)
        anchoredAt = anchor.anchoredAt.map { Timestamp($0) }
        failures = anchor.failures
        trouble = anchor.trouble
    }

    static let header = ["ID", "KIND", "TARGET", "ENTRIES", "BEHIND", "TROUBLE"]
    var cells: [String] { ["\(id)", kind, target, "\(size)", "\(lag)", trouble ?? "-"] }
    var lines: [String] {
        Table.pairs([
            ("anchor", "\(id)"), ("kind", kind), ("target", target), ("entries", "\(size)"),
            ("trouble", trouble ?? "-"),
        ])
    }
}

/// What to do about the trouble of an anchor, in a sentence.
struct AnchorAdvice {
    let text: String

    init(_ anchor: Anchor) {
        let advice =
            switch anchor.trouble {
            case "unreachable"?: "Nobody is there: is it running, and is the target right?"
            case "denied"?: "It may not be written, or run."
            case "full"?: "Its disk is full."
            case "hung"?: "It did not answer within 5 seconds."
            case "refused"?: "It did not take the checkpoint."
            case "damaged"?: "What lies there is no signed checkpoint: move it away."
            case "behind"?:
                "It knows a newer log: an older copy of the vault is in place of the newest. Put the newest back."
            case "differs"?: "It knows another history of this log. Run 'tokenvault audit verify'."
            case "foreign"?: "What lies there is of another log: were files exchanged?"
            case "moved"?:
                "The vault lies elsewhere than when it was added: remove the anchor, and add it anew."
            case "busy"?: "Another process is telling it: try again."
            case "unknown"?:
                "It does not know this log, or the URL is wrong. Give who runs it the verifier key of 'audit checkpoint --json'."
            case "untrusted"?:
                "It knows this log by another key. Give who runs it the verifier key of 'audit checkpoint --json'."
            case "unsigned"?: "Its answer is not signed by its key: is that key right?"
            case "garbled"?: "Its answer is not that of a witness: is the URL right?"
            case "tls"?: "Its certificate is not valid for this host."
            case "unavailable"?: "It is overloaded or broken: try again."
            case "pruned"?:
                "The log keeps nothing to prove from what it has: it must begin anew with this log."
            default: "It was not told."
            }
        text = "Anchor \(anchor.id): \(advice)"
    }
}
