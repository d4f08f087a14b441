import Synchronization
public import TokenVault
public import VaultCore
import VaultCrypto
import VaultStore

extension VaultUsers {
    /// Sets or removes the password of a user. Every session that began with the earlier password ends.
    ///
    /// - Parameter password: 8 to 1024 bytes as OpaqueString (RFC 8265); nil removes it, and the user cannot sign in here.
    /// - Throws: ``VaultError/Code/invalidInput``, ``VaultError/Code/notFound``, ``VaultError/Code/busy``.
    public func setPassword(_ password: SecretBytes?, of name: String) async throws {
        let password = try password?.opaqueString("password")
        let isAcceptable = password?.withExposed { Limits.passwordBytes.contains($0.count) } ?? true
        guard isAcceptable else {
            let range = Limits.passwordBytes
            throw invalid("A password has \(range.lowerBound) to \(range.upperBound) bytes.")
        }
        let id = try await find(name).id
        var verifier: PasswordVerifier?
        if let password {
            verifier = try await vault.companion(PasswordHashing()).run {
                try PasswordVerifier(hashing: password)
            }
        }
        try await vault.write { [verifier] transaction in
            guard let owner = try transaction.owner(id, sealingFor: .issuer), owner.row.state != .removed
            else {
                throw Vault.noUser
            }
            let old = try transaction.load(PasswordRow.self, id.rawValue)?.row
            let version = (old?.version ?? 0) + 1
            let sealed = try verifier.map {
                try SealedField.seal(
                    $0.bytes, under: owner.key(.issuer),
                    for: transaction.keyring.passwordContext(id, version),
                    padded: false)
            }
            let row = PasswordRow(user: id, version: version, verifier: sealed, changedAt: transaction.now)
            if old == nil { try transaction.insert(row) } else { try transaction.update(row) }
            return Audited(
                (),
                AuditEvent(
                    .userPassword, by: vault.operatorActor, reason: verifier == nil ? "removed" : "set",
                    subject: owner.pseudonym))
        }
    }

    /// Whether a user can sign in with a password.
    public func hasPassword(_ user: OwnerID) async throws -> Bool {
        try await vault.snapshot { database, keys in
            let keyring = keys.keyring
            return try database.load(PasswordRow.self, user.rawValue, keyring)?.row.verifier != nil
        }
    }

    /// The user, if this is the password of an active one. An unknown user, one without a password and a
    /// disabled one cost what a wrong password costs. Success is written into the log, and failure at a
    /// bounded rate.
    ///
    /// - Throws: ``VaultError/Code/busy`` when too many sign in at this moment.
    package func signIn(
        _ name: String, password: SecretBytes, channel: AuditChannel = .http, requestID: String? = nil
    ) async throws -> User? {
        let known = try await passwordRecord(ofUser: name)
        let verifier = known?.verifier ?? PasswordVerifier.decoy()
        let isRight = try await vault.companion(PasswordHashing()).run { try verifier.matches(password) }
        guard let known else {
            try await recordFailure("unknown_user", of: nil, channel, requestID)
            return nil
        }
        guard isRight, known.verifier != nil, known.owner.row.state == .active else {
            let reason =
                known.owner.row.state != .active
                ? "user_disabled" : known.verifier == nil ? "no_password" : "wrong_password"
            try await recordFailure(reason, of: known.owner.pseudonym, channel, requestID)
            return nil
        }
        return try await vault.write(.finishing) { transaction in
            let keyring = transaction.keyring
            // Meanwhile the user may have been disabled, or given another password.
            guard let owner = try transaction.owner(known.owner.row.id), owner.row.state == .active,
                try transaction.load(PasswordRow.self, owner.row.id.rawValue)?.row.version == known.version
            else {
                return Audited(
                    nil, Self.failure("changed_meanwhile", known.owner.pseudonym, channel, requestID))
            }
            return Audited(
                try User(owner, keyring),
                AuditEvent(.userSignIn, by: AuditActor(owner.pseudonym, channel), requestID: requestID))
        }
    }

    /// Nil: no such user.
    private func passwordRecord(
        ofUser name: String
    ) async throws -> (owner: Owner, version: Int64, verifier: PasswordVerifier?)? {
        try await vault.snapshot { database, keys in
            let keyring = keys.keyring
            let revision = try keys.checkedRevision(database)
            let tags = keyring.lookup.tags(.userName, of: UserName.folded(name))
            guard let id = try database.ownerID(tags: tags),
                let owner = try vault.registry.owner(id, database, keyring, revision: revision),
                owner.row.kind == .user
            else { return nil }
            guard let row = try database.load(PasswordRow.self, id.rawValue, keyring)?.row,
                let sealed = row.verifier
            else { return (owner, 0, nil) }
            let bytes = try SealedField.open(
                sealed, with: owner.key(.issuer), for: keyring.passwordContext(id, row.version))
            guard let verifier = PasswordVerifier(bytes: bytes) else {
                throw VaultError(
                    .integrity, "A password is stored at a cost that this version does not accept.",
                    remedy: "Set the password again.")
            }
            return (owner, row.version, verifier)
        }
    }

    private func recordFailure(
        _ reason: String, of user: Pseudonym?, _ channel: AuditChannel, _ requestID: String?
    ) async throws {
        try await vault.record(Self.failure(reason, user, channel, requestID))
    }

    private static func failure(
        _ reason: String, _ pseudonym: Pseudonym?, _ channel: AuditChannel, _ requestID: String?
    ) -> AuditEvent {
        AuditEvent(
            .userSignIn, .refused, by: AuditActor(pseudonym, channel), reason: reason, requestID: requestID)
    }
}

extension Keyring {
    fileprivate func passwordContext(_ user: OwnerID, _ version: Int64) -> AssociatedData {
        context(
            .passwords, "verifier", row: user.rawValue, of: user, generation: UInt64(bitPattern: version))
    }
}

/// Lets a few passwords be hashed at a time, and a few more wait: each takes 64 MiB and a fifth of a second.
package final class PasswordHashing: Sendable {
    private struct State {
        var running = 0
        var waiting: [CheckedContinuation<Void, any Error>] = []
    }

    private let state = Mutex(State())
    private let longestWait: Duration

    package init(longestWait: Duration = Limits.passwordHashWait) { self.longestWait = longestWait }

    /// Runs `body` on a thread of its own when its turn comes.
    ///
    /// - Throws: ``VaultError/Code/busy`` at once when too many wait already, or when the turn comes too late, and what
    ///   `body` throws.
    package func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result
    {
        let deadline = ContinuousClock.now + longestWait
        try await withCheckedThrowingContinuation { continuation in
            let refusal = state.withLock { state -> VaultError? in
                if state.running < Limits.passwordHashes {
                    state.running += 1
                    continuation.resume()
                } else if state.waiting.count < Limits.waitingPasswordHashes {
                    state.waiting.append(continuation)
                } else {
                    return Self.busy
                }
                return nil
            }
            if let refusal { continuation.resume(throwing: refusal) }
        }
        defer { leave() }
        guard ContinuousClock.now < deadline else { throw Self.busy }
        return try await BlockingThread.result(body)
    }

    /// Gives the turn to the caller who has waited longest.
    private func leave() {
        state.withLock { state in
            if state.waiting.isEmpty {
                state.running -= 1
            } else {
                state.waiting.removeFirst().resume()
            }
        }
    }

    private static let busy = VaultError(
        .busy, "Too many users sign in at this moment.", remedy: "Try again in a few seconds.")
}

/// One row of `passwords`: what a user's password is checked against.
struct PasswordRow: Sendable {
    let user: OwnerID
    var version: Int64
    /// Sealed under the user's key; nil: there is no password.
    var verifier: [UInt8]?
    var changedAt: VaultInstant
}

extension PasswordRow: TypedRow {
    static let layout = TableLayout.passwords

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        user = OwnerID(row.id)
        version = try columns.integer()
        verifier = try columns.optionalBlob()
        changedAt = try columns.instant()
    }

    var id: OwnerID { user }
    var columns: [SQLValue] { [.integer(version), SQLValue(verifier), SQLValue(changedAt)] }
}
