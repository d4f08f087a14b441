public import TokenVault
public import VaultCore

/// The result of a password check.
public enum PasswordCheck: Sendable {
    /// The password is that of this user, who is active.
    case right(User)
    /// It is not, or there is no such user, or the user has no password or is disabled. The audit log alone tells which: tell
    /// people one sentence for all of them.
    case wrong
    /// Nothing was compared, because too many attempts failed. Try again after this time.
    case throttled(Duration)
}

extension VaultUsers {
    /// Checks the password of a user of the vault, for a host with a sign-in page of its own.
    ///
    /// ```swift
    /// switch try await vault.users.check(password, of: name, from: address) {
    /// case .right(let user): // Begin a session for user.id.
    /// case .wrong: // "The user name or the password is not right."
    /// case .throttled(let wait): // 429, with Retry-After.
    /// }
    /// ```
    ///
    /// An answer takes as long for a name that no user has as for any other. After 10 failures for a name from one address,
    /// further ones wait 1 second, twice as long each time, up to 300 seconds; many names tried from one address wait as well.
    /// The bundled sign-in pages count in the same place. Success is written into the audit log, and failure at a bounded
    /// rate.
    ///
    /// - Parameters:
    ///   - password: as it was typed.
    ///   - name: as it was typed; every spelling of a name counts as that name.
    ///   - address: the client's IP address, with or without a port: that of the connection, or the one that a trusted proxy
    ///     names, and never what a client says of itself. Of IPv6 the first 64 bits count. Attempts with nil, and with what is
    ///     no address, count as made from one place.
    ///   - requestID: the identifier of the request, for the audit log.
    /// - Throws: ``VaultError/Code/busy`` when too many passwords are being checked at this moment: each takes 64 MiB.
    public func check(
        _ password: SecretBytes, of name: String, from address: String?, requestID: String? = nil
    ) async throws -> PasswordCheck {
        let known = address.flatMap { IPAddress($0[...]) }
        return try await check(
            password, of: name, from: PeerAddress(known, isShared: known == nil),
            through: vault.operatorActor.channel, requestID: requestID)
    }

    package func check(
        _ password: SecretBytes, of name: String, from peer: PeerAddress, through channel: AuditChannel,
        requestID: String?
    ) async throws -> PasswordCheck {
        let throttle = vault.companion(
            SignInThrottle(clock: vault.clock, SharedAddressNotice(vault.logger)))
        if let wait = throttle.wait(for: name, from: peer) { return .throttled(wait) }
        let attempt = throttle.begin(name, from: peer)
        let user: User?
        do {
            user = try await signIn(name, password: password, channel: channel, requestID: requestID)
        } catch let error as VaultError where error.code == .busy {
            attempt.end(.unjudged)
            throw error
        }
        attempt.end(user == nil ? .failed : .succeeded)
        return user.map { .right($0) } ?? .wrong
    }
}
