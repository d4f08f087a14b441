import TokenVault

/// A user as printed: `{"created_at":"…","state":"active","user":"alice"}`.
struct UserRecord: Record, ListRecord {
    let user: String
    let state: String
    let createdAt: Timestamp

    init(_ user: User) {
        self.user = user.name
        state = user.state.word
        createdAt = Timestamp(user.createdAt)
    }

    static let header = ["USER", "STATE", "CREATED"]
    var cells: [String] { [user, state, createdAt.description] }
    var lines: [String] {
        Table.pairs([("user", user), ("state", state), ("created_at", createdAt.description)])
    }
}

/// What is gone: `{"removed":"alice"}`.
struct RemovedRecord: Record {
    let removed: String

    var lines: [String] { ["Removed \(Console.harmless(removed))."] }
}
