import VaultCore
import VaultCrypto

/// How a tagged table is laid out: `id`, the columns below, `leaf`, `row_tag`. One list serves the SQL, the
/// canonical bytes that the row tag and the row hash are taken over, and the typed rows. Numbers and order
/// are part of the format (docs/schema.md): a column is added only by a new migration.
package final class TableLayout: Sendable {
    package let name: String
    /// Stands for the table in every AAD, row tag and row hash.
    package let number: UInt16
    /// Whose key tags its rows, and seals what is sealed in them; of tables with rows of several roles, `common`.
    package let role: KeyRole
    /// Where a row says of which role it is, in tables with rows of several.
    package let roleColumn: Int?
    package let columns: [String]
    /// Where the columns stand in the canonical bytes: those that the log hashes, then those that it does not, because
    /// they change without a leaf of their own.
    let hashed: [Int]
    package let unhashed: [Int]
    package let selectSQL: String
    package let insertSQL: String
    package let updateSQL: String
    /// As `updateSQL`, leaving the indexed columns alone: for rows whose indexed columns did not change.
    package let updateUnindexedSQL: String
    package let deleteSQL: String
    /// Changes nothing but the leaf that names the row.
    package let carrySQL: String
    package let selectByID: String
    package let selectLeafByID: String
    package let settable: [Int]
    package let settableUnindexed: [Int]

    package init(
        _ name: String, _ number: UInt16, role: KeyRole = .common, _ columns: [String],
        immutable: Set<String> = [], indexed: Set<String> = [], unhashed: Set<String> = [],
        guarded guardColumn: String? = nil, isOfSeveralRoles: Bool = false
    ) {
        self.name = name
        self.number = number
        self.role = role
        roleColumn = isOfSeveralRoles ? columns.firstIndex(of: "role") : nil
        self.columns = columns
        precondition(columns.count < Self.leafNumber && unhashed.isSubset(of: columns))
        hashed = columns.indices.filter { !unhashed.contains(columns[$0]) }
        self.unhashed = columns.indices.filter { unhashed.contains(columns[$0]) }
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
        selectLeafByID = "SELECT leaf FROM \(name) WHERE id = ?"
        carrySQL = "UPDATE \(name) SET leaf = ?, row_tag = ? WHERE id = ?"
        deleteSQL = "DELETE FROM \(name) WHERE id = ?"
    }

    /// The number of a column, which stands for it in the canonical bytes and in the AAD of what is sealed in it: from
    /// 1, in the order of the layout.
    package func columnNumber(_ name: String) -> UInt16 {
        guard let index = columns.firstIndex(of: name) else {
            preconditionFailure("no column \(name) in \(self.name)")
        }
        return UInt16(index + 1)
    }

    /// Stands for `leaf` in the canonical bytes.
    static let leafNumber = 255
}

extension TableLayout {
    package static let keyslots = TableLayout(
        "keyslots", 1, ["slot_id", "kind", "epoch", "parameters", "wrapped", "created_at", "role"])

    package static let systemKeys = TableLayout(
        "system_keys", 2, ["purpose", "key_id", "state", "epoch", "wrapped", "created_at", "role"],
        isOfSeveralRoles: true)

    package static let owners = TableLayout(
        "owners", 3,
        [
            "kind", "state", "revocations", "lookup_tag", "identity", "pseudonym", "created_at", "claims",
            "creations", "last_creation",
        ], unhashed: ["creations", "last_creation"])

    package static let clients = TableLayout(
        "clients", 4, role: .issuer, ["name_tag", "registration", "self_registered", "rotation"])

    package static let clientSecrets = TableLayout(
        "client_secrets", 5, role: .issuer,
        ["client_id", "generation", "tag", "tag_key_id", "not_before", "not_after"])

    package static let grants = TableLayout(
        "grants", 6, role: .issuer,
        [
            "client_id", "owner_id", "owner_revocations", "client_revocations", "kind", "created_at",
            "absolute_expires_at", "scope", "context", "family_tag", "tag_key_id", "state", "generation",
            "idle_expires_at", "swapped_at", "credential_tag", "previous_credential_tag", "access_scope",
            "access_audience", "access_issued_at", "access_expires_at", "access_tag", "previous_access_scope",
            "previous_access_audience", "previous_access_issued_at", "previous_access_expires_at",
            "previous_access_tag", "pair", "expires_day", "first_used_at",
            "stale_uses", "last_stale_at",
        ],
        immutable: [
            "client_id", "owner_id", "owner_revocations", "client_revocations", "kind", "created_at",
            "absolute_expires_at", "scope", "context", "family_tag", "tag_key_id",
        ],
        indexed: ["expires_day"], unhashed: ["first_used_at", "stale_uses", "last_stale_at"],
        guarded: "generation")

    package static let consents = TableLayout(
        "consents", 9, role: .issuer, ["owner_id", "client_id", "scope", "granted_at"],
        immutable: ["owner_id", "client_id"])

    package static let signingKeys = TableLayout(
        "signing_keys", 10, role: .issuer,
        [
            "kid", "algorithm", "state", "created_at", "published_until", "private_key", "public_jwk",
        ],
        immutable: ["kid", "algorithm", "created_at", "private_key", "public_jwk"])

    package static let passwords = TableLayout(
        "passwords", 11, role: .issuer, ["version", "verifier", "changed_at"])

    package static let providers = TableLayout(
        "providers", 14, role: .keeper,
        ["name", "state", "revision", "definition", "credentials", "created_at"],
        immutable: ["created_at"])

    package static let connections = TableLayout(
        "connections", 15, role: .keeper,
        [
            "provider_id", "owner_id", "kind", "lookup_tag", "created_at", "state", "reason", "is_verified",
            "generation", "fence", "details", "scope", "pair", "reply", "issued_at", "access_expires_at",
            "refresh_expires_at", "absolute_expires_at", "due_at", "failures", "attempt_at",
            "attempt_monotonic", "attempt_clock", "attempt_token", "attempt_sends", "lease_holder",
            "lease_until", "lease_clock", "subject", "subject_tag", "variables", "failing_since",
        ],
        immutable: ["provider_id", "owner_id", "kind", "lookup_tag", "created_at"])

    package static let authorizationRequests = TableLayout(
        "authorization_requests", 16, role: .keeper,
        ["provider_id", "owner_id", "state_tag", "session_tag", "secrets", "expires_at"])

    package static let webhooks = TableLayout("webhooks", 17, role: .keeper, ["url", "secret", "created_at"])

    package static let keyslotDetails = TableLayout(
        "keyslot_details", 18, ["name", "held", "epoch", "proved_at"])

    package static let roleKeys = TableLayout(
        "role_keys", 19,
        ["role", "epoch", "wrapper", "wrapper_epoch", "state", "wrapped", "created_at"])

    package static let ownerKeys = TableLayout(
        "owner_keys", 20,
        [
            "owner_id", "role", "version", "epoch", "wrapped", "previous_version", "previous_epoch",
            "previous_wrapped",
        ], isOfSeveralRoles: true)

    package static let anchors = TableLayout(
        "anchors", 21, ["kind", "target", "parameters", "created_at", "role"], isOfSeveralRoles: true)

    package static let incarnations = TableLayout(
        "incarnations", 23,
        ["parent_size", "parent_root", "restored_at", "lost_from", "lost_to", "lost_since"])

    package static let backups = TableLayout(
        "backups", 24, role: .custody, ["backup_id", "log_size", "created_at", "keep_until"])

    /// Layout of the one row of `vault`, which no leaf names: for its canonical bytes.
    package static let vault = TableLayout(
        "vault", 8,
        [
            "format", "vault_id", "created_at", "key_epoch", "registry_revision", "next_owner_id",
            "next_grant_id", "next_secret_id", "next_key_id", "heartbeat_at", "heartbeat_monotonic",
            "heartbeat_clock", "outage", "stamp", "registry_hash",
        ])

    /// Every table whose rows carry a tag and are named by a leaf.
    package static let tagged = [
        keyslots, systemKeys, owners, clients, clientSecrets, grants, consents, signingKeys, passwords,
        providers, connections, authorizationRequests, webhooks, keyslotDetails, roleKeys,
        ownerKeys, anchors, incarnations, backups,
    ]
}
