public import ArgumentParser
public import TokenVault
import VaultCore

/// A connection as printed: no token in it.
///
/// `{"connection":17,"provider":"quantimodo","user":"alice","label":"","kind":"consent","state":"live","verified":true,
/// "generation":3,"scope":"basic","metadata":{},"failures":0,"unread_reply":false,"created_at":"…"}`, and where they are
/// known `reason`, `issued_at`, `access_expires_at`, `refresh_expires_at`, `absolute_expires_at`, `due_at` and
/// `unsettled_since`, and `refusal` once the provider has refused to refresh it:
/// `{"reason":"invalid-request","words":"HTTP 400 …","since":"…","count":12}`. `user` is absent for tokens of our own and once the user is removed.
struct ConnectionRecord: Record, ListRecord {
    let connection: Int64
    let provider: String
    let user: String?
    let label, kind, state: String
    /// Why it is not live, or why the last refresh did not end well.
    let reason: String?
    let verified: Bool
    let generation: Int64
    let scope: String
    let metadata: [String: String]
    let failures: Int64
    let unreadReply: Bool
    let createdAt: Timestamp
    let issuedAt, accessExpiresAt, refreshExpiresAt, absoluteExpiresAt, dueAt, unsettledSince: Timestamp?
    let refusal: RefusalRecord?

    init(_ connection: Connection, provider: String, user: String?) {
        self.connection = connection.id.rawValue
        self.provider = provider
        self.user = user
        label = connection.label
        kind = connection.kind == .consent ? "consent" : "client_credentials"
        state = connection.state.word
        reason = connection.reason
        verified = connection.isVerified
        generation = connection.generation
        scope = connection.scope
        metadata = connection.metadata
        failures = connection.failures
        unreadReply = connection.hasUnreadReply
        createdAt = Timestamp(connection.createdAt)
        issuedAt = connection.issuedAt.map(Timestamp.init)
        accessExpiresAt = connection.accessExpiresAt.map(Timestamp.init)
        refreshExpiresAt = connection.refreshExpiresAt.map(Timestamp.init)
        absoluteExpiresAt = connection.absoluteExpiresAt.map(Timestamp.init)
        dueAt = connection.dueAt.map(Timestamp.init)
        unsettledSince = connection.unsettledSince.map(Timestamp.init)
        refusal = connection.refusal.map(RefusalRecord.init)
    }

    static let header = ["CONNECTION", "STATE", "PROVIDER", "USER", "LABEL", "GENERATION", "SCOPE"]
    var cells: [String] {
        ["\(connection)", state, provider, user ?? "-", label.isEmpty ? "-" : label, "\(generation)", scope]
    }

    var lines: [String] {
        let times = [
            ("issued_at", issuedAt), ("access_expires_at", accessExpiresAt),
            ("refresh_expires_at", refreshExpiresAt), ("absolute_expires_at", absoluteExpiresAt),
            ("due_at", dueAt), ("unsettled_since", unsettledSince),
        ].compactMap { name, time in time.map { (name, $0.description) } }
        return Table.pairs(
            [
                ("connection", "\(connection)"), ("state", reason.map { "\(state) (\($0))" } ?? state),
                ("provider", provider), ("user", user ?? "-"), ("label", label.isEmpty ? "-" : label),
                ("kind", kind), ("verified", verified ? "yes" : "no"), ("scope", scope),
                ("generation", "\(generation)"), ("failures", "\(failures)"),
                ("unread_reply", unreadReply ? "kept" : "none"), ("created_at", createdAt.description),
            ] + times + (refusal?.pairs ?? [])
                + metadata.sorted { $0.key < $1.key }.map { ("kept \($0.key)", $0.value) })
    }
}

/// What a provider refuses with, in its words, scrubbed.
struct RefusalRecord: Encodable, Sendable {
    let reason, words: String
    /// The first of `count` refusals in a row.
    let since: Timestamp
    let count: Int64

    init(_ refusal: ConnectionRefusal) {
        reason = refusal.reason
        words = refusal.words
        since = Timestamp(refusal.since)
        count = refusal.count
    }

    var pairs: [(String, String)] {
        [
            ("refused", "\(count == 1 ? "once" : "\(count) times"), since \(since.description)"),
            ("provider_says", words.isEmpty ? reason : words),
        ]
    }
}

/// Finds the names behind the numbers of connections, each once.
struct ConnectionNames {
    private let providers: [ProviderID: String]
    private var owners: OwnerNames

    init(_ vault: Vault) throws {
        providers = Dictionary(uniqueKeysWithValues: try vault.providers().map { ($0.id, $0.name) })
        owners = try OwnerNames(vault)
    }

    mutating func record(_ connection: Connection) throws -> ConnectionRecord {
        let user = connection.owner == .system ? nil : try owners.user(connection.owner)
        return ConnectionRecord(connection, provider: providers[connection.provider] ?? "-", user: user)
    }
}

extension ConnectionRecord {
    init(_ connection: Connection, in vault: Vault) throws {
        var names = try ConnectionNames(vault)
        self = try names.record(connection)
    }
}

extension ConnectionState: ExpressibleByArgument {
    private static let words = [
        "live": Self.live, "needs-consent": .needsConsent, "revoking": .revoking, "revoked": .revoked,
        "failing": .failing,
    ]

    public init?(argument: String) {
        guard let state = Self.words[argument] else { return nil }
        self = state
    }

    public static var allValueStrings: [String] { words.keys.sorted() }

    var word: String { Self.words.first { $0.value == self }?.key ?? "-" }
}
