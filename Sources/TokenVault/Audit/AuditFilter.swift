public import VaultCore

/// Which entries of the log are wanted; every condition that is set must hold.
public struct AuditFilter: Sendable {
    /// Pseudonyms in hexadecimal; entries by or about one of them, or about a grant of theirs.
    var party: String?
    /// Grants and connections; entries about one of them. Those of the party are added as its entries name
    /// them: rows of expired grants are gone.
    var grants: Set<Int64> = []
    /// First 16 bytes of a token's SHA-256, in hexadecimal.
    var fingerprint: String?
    public var since: VaultInstant?
    /// Exclusive.
    public var until: VaultInstant?
    /// `ok`, `replayed`, `refused` or `revoked`.
    public var outcome: String?
    /// A verb as `token.refresh`, or the first part of it as `token`.
    public var operation: String?

    public init() {}

    /// Entries about one grant or connection.
    public mutating func restrict(to grant: Int64) { grants = [grant] }

    /// Entries of the party of another filter.
    public mutating func restrict(to other: AuditFilter) {
        party = other.party
        grants = other.grants
    }

    /// Whether the leaf is wanted; learns from it which grants are the party's.
    mutating func wants(_ leaf: LeafFields, _ bytes: UnsafeRawBufferPointer) -> Bool {
        let isOfParty =
            party.map { party in
                bytes.has(party, at: leaf.actor) || leaf.subject.map { bytes.has(party, at: $0) } ?? false
            } ?? false
        if isOfParty, let grant = leaf.grant { grants.insert(grant) }
        if party != nil || !grants.isEmpty {
            let isAbout =
                leaf.grant.map(grants.contains) ?? false || leaf.grants.contains(where: grants.contains)
            guard isOfParty || isAbout else { return false }
        }
        if let since, leaf.time < since.millisecondsSince1970 { return false }
        if let until, leaf.time >= until.millisecondsSince1970 { return false }
        if let outcome, !bytes.has(outcome, at: leaf.outcome) { return false }
        if let fingerprint, !(leaf.fingerprint.map { bytes.has(fingerprint, at: $0) } ?? false) {
            return false
        }
        guard let operation else { return true }
        return bytes.has(operation, at: leaf.operation)
            || bytes[leaf.operation].starts(with: (operation + ".").utf8)
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func has(_ value: String, at text: LeafFields.Text) -> Bool {
        self[text].elementsEqual(value.utf8)
    }
}
