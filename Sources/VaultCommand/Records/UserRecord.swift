import TokenVault

/// A user as printed: `{"created_at":"…","has_password":true,"state":"active","user":"alice"}`.
struct UserRecord: Record, ListRecord {
    let user: String
    let state: String
    /// Whether the user can sign in on the bundled page.
    let hasPassword: Bool
    let createdAt: Timestamp

    init(_ user: User, _ vault: Vault) throws {
        self.user = user.name
        hasPassword = try vault.hasPassword(user.id)
        state = user.state.word
        createdAt = Timestamp(user.createdAt)
    }

    static let header = ["USER", "STATE", "PASSWORD", "CREATED"]
    var cells: [String] { [user, state, password, createdAt.description] }
    var lines: [String] {
        Table.pairs([
            ("user", user), ("state", state), ("password", password), ("created_at", createdAt.description),
        ])
    }

    private var password: String { hasPassword ? "set" : "none" }
}

/// What is gone: `{"removed":"alice"}`.
struct RemovedRecord: Record {
    let removed: String

    var lines: [String] { ["Removed \(Console.harmless(removed))."] }
}
