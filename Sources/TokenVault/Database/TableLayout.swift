import VaultCrypto

/// How a tagged table is laid out: `id`, the columns below, `leaf`, `row_tag`. One list serves the SQL, the
/// canonical bytes that the row tag and the row hash are taken over, and the typed rows. Numbers and order
/// are part of the format (docs/schema.md): a column is added only by a new migration.
final class TableLayout: Sendable {
    let name: String
    /// Stands for the table in every AAD, row tag and row hash.
    let number: UInt16
    let columns: [String]
    /// Columns left out of the hash that the log keeps, because they change without a leaf of their own. They
    /// come last.
    let unhashed: Int
    /// Where `expires_day` stands, which grants alone have.
    let dayColumn: Int?
    let selectSQL: String
    let insertSQL: String
    let updateSQL: String
    /// As `updateSQL`, leaving the indexed columns alone: for rows whose indexed columns did not change.
    let updateUnindexedSQL: String
    let deleteSQL: String
    /// Changes nothing but the leaf that names the row.
    let carrySQL: String
    let selectByID: String
    let settable: [Int]
    let settableUnindexed: [Int]

    init(
        _ name: String, _ number: UInt16, _ columns: [String], immutable: Set<String> = [],
        indexed: Set<String> = [], unhashed: Int = 0, guarded guardColumn: String? = nil
    ) {
        self.name = name
        self.number = number
        self.columns = columns
        self.unhashed = unhashed
        dayColumn = columns.firstIndex(of: "expires_day")
        let all = columns + ["leaf", "row_tag"]
        let condition = guardColumn.map { " AND \($0) = ?" } ?? ""
        settable = all.indices.filter { !immutable.contains(all[$0]) }
        settableUnindexed = settable.filter { !indexed.contains(all[$0]) }
        func update(_ indices: [Int]) -> String {
            "UPDATE \(name) SET " + indices.map { "\(all[$0]) = ?" }.joined(separator: ", ")
                + " WHERE id = ?" + condition
        }
        updateSQL = update(settable)
        updateUnindexedSQL = update(settableUnindexed)
        selectSQL = "SELECT id, \(all.joined(separator: ", ")) FROM \(name)"
        insertSQL =
            "INSERT INTO \(name) (id, \(all.joined(separator: ", "))) VALUES (?"
            + String(repeating: ", ?", count: all.count) + ")"
        selectByID = selectSQL + " WHERE id = ?"
        carrySQL = "UPDATE \(name) SET leaf = ?, row_tag = ? WHERE id = ?"
        deleteSQL = "DELETE FROM \(name) WHERE id = ?"
    }
}

extension TableLayout {
    static let keyslots = TableLayout(
        "keyslots", 1, ["slot_id", "kind", "epoch", "parameters", "wrapped", "created_at"])

    static let systemKeys = TableLayout(
        "system_keys", 2, ["purpose", "key_id", "state", "epoch", "wrapped", "created_at"])

    static let owners = TableLayout(
        "owners", 3,
        [
            "kind", "state", "revocations", "key_version", "key_epoch", "wrapped_key", "lookup_tag",
            "identity",
            "pseudonym", "created_at",
        ])

    static let clients = TableLayout("clients", 4, ["name_tag", "registration"])

    static let clientSecrets = TableLayout(
        "client_secrets", 5, ["client_id", "generation", "tag", "tag_key_id", "not_before", "not_after"])

    static let grants = TableLayout(
        "grants", 6,
        [
            "client_id", "owner_id", "owner_revocations", "client_revocations", "kind", "created_at",
            "absolute_expires_at", "scope", "context", "family_tag", "tag_key_id", "state", "generation",
            "idle_expires_at", "swapped_at", "credential_tag", "previous_credential_tag", "access_scope",
            "access_audience", "access_issued_at", "access_expires_at", "access_tag", "previous_access_scope",
            "previous_access_audience", "previous_access_issued_at", "previous_access_expires_at",
            "previous_access_tag", "pair", "expires_day", "first_used_at",
        ],
        immutable: [
            "client_id", "owner_id", "owner_revocations", "client_revocations", "kind", "created_at",
            "absolute_expires_at", "scope", "context", "family_tag", "tag_key_id",
        ],
        indexed: ["expires_day"], unhashed: 1, guarded: "generation")

    static let consents = TableLayout(
        "consents", 9, ["owner_id", "client_id", "scope", "granted_at"],
        immutable: ["owner_id", "client_id"])

    static let signingKeys = TableLayout(
        "signing_keys", 10,
        [
            "kid", "algorithm", "state", "created_at", "published_until", "private_key", "public_jwk",
        ],
        immutable: ["kid", "algorithm", "created_at", "private_key", "public_jwk"])

    static let passwords = TableLayout("passwords", 11, ["version", "verifier", "changed_at"])

    static let providers = TableLayout(
        "providers", 14, ["name", "state", "revision", "definition", "credentials", "created_at"],
        immutable: ["created_at"])

    static let connections = TableLayout(
        "connections", 15,
        [
            "provider_id", "owner_id", "kind", "lookup_tag", "created_at", "state", "reason", "is_verified",
            "generation", "fence", "details", "scope", "pair", "reply", "issued_at", "access_expires_at",
            "refresh_expires_at", "absolute_expires_at", "due_at", "failures", "attempt_at",
            "attempt_monotonic", "attempt_boot", "attempt_token", "attempt_sends", "lease_holder",
            "lease_until", "lease_boot",
        ],
        immutable: ["provider_id", "owner_id", "kind", "lookup_tag", "created_at"])

    static let authorizationRequests = TableLayout(
        "authorization_requests", 16,
        ["provider_id", "owner_id", "state_tag", "session_tag", "secrets", "expires_at"])

    static let webhooks = TableLayout("webhooks", 17, ["url", "secret", "created_at"])

    static let keyslotDetails = TableLayout(
        "keyslot_details", 18, ["name", "held", "epoch", "proved_at"])

    static let retiredRoots = TableLayout("retired_roots", 19, ["epoch", "wrapped", "retired_at"])

    static let previousOwnerKeys = TableLayout(
        "previous_owner_keys", 20, ["key_version", "key_epoch", "wrapped_key"])

    static let anchors = TableLayout("anchors", 21, ["kind", "target", "parameters", "created_at"])

    static let incarnations = TableLayout(
        "incarnations", 23, ["parent_size", "parent_root", "restored_at"])

    static let backups = TableLayout(
        "backups", 24, ["backup_id", "log_size", "created_at", "keep_until"])

    /// Every table whose rows carry a tag and are named by a leaf.
    static let tagged = [
        keyslots, systemKeys, owners, clients, clientSecrets, grants, consents, signingKeys, passwords,
        providers, connections, authorizationRequests, webhooks, keyslotDetails, retiredRoots,
        previousOwnerKeys, anchors, incarnations, backups,
    ]
}
