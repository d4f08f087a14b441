import GRDB
public import VaultCore

/// Which keys are in use and since when, and what there is in case of a loss.
public struct KeySummary: Sendable {
    /// A key of the vault and its age.
    public struct Key: Sendable {
        /// `root`, `handles`, `tags`, `lookup`, `rows`, `log signing`, or `id_token` and the algorithm.
        public let purpose: String
        /// Of the root key: about.
        public let createdAt: VaultInstant
    }

    /// The current ones, the root key first.
    public let keys: [Key]
    /// Ways to open the vault.
    public let slots: Int64
    /// Whether one of them is a recovery key.
    public let hasRecovery: Bool
    /// Places outside the file that are told of the log.
    public let anchors: Int64
    /// Entries that the anchor furthest behind does not have; nil without an anchor.
    public let anchorLag: Int64?
}

extension KeySummary {
    static func read(_ database: Database, logSize: Int64) throws -> KeySummary {
        var keys: [Key] = []
        if let root = try KeyAges.root(database) { keys.append(Key(purpose: "root", createdAt: root)) }
        try database.forEachRow(
            "SELECT purpose, created_at FROM system_keys WHERE state = 1 ORDER BY purpose, id LIMIT 64"
        ) { row in
            if let purpose = SystemKeyPurpose(rawValue: row.integer(0)) {
                keys.append(
                    Key(
                        purpose: purpose.words, createdAt: VaultInstant(millisecondsSince1970: row.integer(1))
                    ))
            }
            return true
        }
        try database.forEachRow(
            "SELECT algorithm, created_at FROM signing_keys WHERE state = 1 ORDER BY id LIMIT 64"
        ) { row in
            if case .text(let algorithm) = row.value(0) {
                let made = VaultInstant(millisecondsSince1970: row.integer(1))
                keys.append(Key(purpose: "id_token \(algorithm)", createdAt: made))
            }
            return true
        }
        func count(_ sql: String) throws -> Int64 { try database.firstRow(sql) { $0.integer(0) } ?? 0 }
        let anchors = try count("SELECT count(*) FROM anchors")
        let told = try count(
            "SELECT min(coalesce(p.size, 0)) FROM anchors a LEFT JOIN anchor_progress p ON p.id = a.id")
        return KeySummary(
            keys: keys, slots: try count("SELECT count(*) FROM keyslots"),
            hasRecovery: try count("SELECT count(*) FROM keyslots WHERE kind = 4") > 0, anchors: anchors,
            anchorLag: anchors == 0 ? nil : max(0, logSize - told))
    }
}

extension SystemKeyPurpose {
    fileprivate var words: String {
        switch self {
        case .handles: "handles"
        case .tags: "tags"
        case .lookup: "lookup"
        case .rows: "rows"
        case .logSigning: "log signing"
        }
    }
}
