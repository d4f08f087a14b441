public import ArgumentParser
import TokenKeeper
public import TokenVault

/// The connection a command is about.
struct ConnectionArgument: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "Its number, PROVIDER/USER or PROVIDER/USER/LABEL; PROVIDER alone for tokens of our own. - for USER "
                + "reads it from standard input.", valueName: "connection"))
    var name: String

    /// - Throws: `VaultError.Code.notFound` for the provider, the user or the connection.
    func find(_ keeper: TokenKeeper) async throws -> Connection {
        if let number = Int64(name) { return try await keeper.vault.connection(ConnectionID(number)) }
        let parts = name.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false).map(
            String.init)
        let owner =
            parts.count > 1 ? try await keeper.vault.users.find(StandardInput.name(parts[1])).id : .system
        let label = parts.count > 2 ? parts[2] : ""
        guard let found = try await keeper.connection(at: parts[0], of: owner, label: label) else {
            throw VaultError(
                .notFound, "There is no such connection.",
                remedy: "See 'tokenvault connection list'; the number of a connection always works.")
        }
        return found
    }
}

extension Shown {
    /// A connection: no token in it.
    ///
    /// `{"connection":17,"provider":"quantimodo","user":"alice","label":"","kind":"consent","state":"live","verified":true,
    /// "generation":3,"scope":"basic","metadata":{},"failures":0,"unread_reply":false,"created_at":"…"}`, and where they
    /// are known `reason`, `issued_at`, `access_expires_at`, `refresh_expires_at`, `absolute_expires_at`, `due_at` and
    /// `unsettled_since`, and `refusal` once the provider has refused to refresh it:
    /// `{"reason":"invalid-request","words":"HTTP 400 …","since":"…","count":12}`, the first of `count` refusals in a row. `user` is
    /// absent for tokens of our own and once the user is removed.
    init(_ connection: Connection, _ names: inout Names) async throws {
        let provider = try await names.provider(connection.provider) ?? "-"
        let user = connection.owner == .system ? nil : try await names.user(connection.owner)
        let state = word(connection.state, joinedBy: "-")
        let label = connection.label.isEmpty ? "-" : connection.label
        var fields: [Field] = [
            .both("connection", connection.id.rawValue), .json("reason", connection.reason),
            .both("state", state, as: connection.reason.map { "\(state) (\($0))" }),
            .both("provider", provider), .both("user", user, missing: "-"),
            .both("label", connection.label, as: label), .both("kind", word(connection.kind)),
            .both("verified", connection.isVerified), .both("scope", connection.scope),
            .both("generation", connection.generation), .both("failures", connection.failures),
            .both("unread_reply", connection.hasUnreadReply, as: connection.hasUnreadReply ? "kept" : "none"),
            .both("created_at", connection.createdAt), .both("issued_at", connection.issuedAt),
            .both("access_expires_at", connection.accessExpiresAt),
            .both("refresh_expires_at", connection.refreshExpiresAt),
            .both("absolute_expires_at", connection.absoluteExpiresAt), .both("due_at", connection.dueAt),
            .both("unsettled_since", connection.unsettledSince), .json("metadata", connection.metadata),
        ]
        if let refusal = connection.refusal {
            let times = refusal.count == 1 ? "once" : "\(refusal.count) times"
            fields += [
                .json(
                    "refusal",
                    Shown([
                        .json("reason", refusal.reason), .json("words", refusal.words),
                        .json("since", refusal.since), .json("count", refusal.count),
                    ])),
                .text("refused", "\(times), since \(Timestamp(refusal.since))"),
                .text("provider_says", refusal.words.isEmpty ? refusal.reason : refusal.words),
            ]
        }
        fields += connection.metadata.sorted { $0.key < $1.key }.map { .text("kept \($0.key)", $0.value) }
        self.init(
            fields,
            cells: [
                "\(connection.id)", state, provider, user ?? "-", label, "\(connection.generation)",
                connection.scope,
            ])
    }

    init(_ connection: Connection, in vault: Vault) async throws {
        var names = Names(vault)
        try await self.init(connection, &names)
    }
}

extension ConnectionState: ExpressibleByArgument {
    public static var allValueStrings: [String] {
        [Self.failing, .live, .needsConsent, .revoked, .revoking].map { word($0, joinedBy: "-") }
    }

    public init?(argument: String) {
        let all = [Self.failing, .live, .needsConsent, .revoked, .revoking]
        guard let state = all.first(where: { word($0, joinedBy: "-") == argument }) else { return nil }
        self = state
    }
}

extension TokenKeeper {
    /// A token, or the command's failure.
    func token(for connection: Connection) async throws -> HeldAccessToken {
        switch try await accessToken(for: connection.id) {
        case .ready(let token): return token
        case .needsConsent(let need): throw VaultError(need)
        case .unavailable(let retryAfter, let reason):
            throw await failure(reason, retryAfter: retryAfter, of: connection.id)
        }
    }

    /// Why there is no token now, with the provider's words where it refuses.
    func failure(_ reason: UnavailableReason, retryAfter: Duration, of id: ConnectionID) async -> VaultError {
        VaultError(reason, retryAfter: retryAfter, refusal: try? await vault.connection(id).refusal)
    }
}
