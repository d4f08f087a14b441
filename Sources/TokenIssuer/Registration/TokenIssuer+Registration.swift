package import TokenVault
package import VaultCore
import VaultCrypto
import VaultStore

extension TokenIssuer {
    /// Answers a registration request (RFC 7591 section 3). Nothing is stored.
    ///
    /// - Parameters:
    ///   - json: the body.
    ///   - token: the initial access token that came along; nil: none.
    /// - Returns: the members of the answer.
    package func register(
        _ json: [UInt8], presenting token: SecretBytes?, from origin: RequestOrigin
    ) async throws(OAuthError) -> [String: ClaimValue] {
        guard let registration, registration.takesRequests else { throw .registrationIsOff }
        if let wanted = registration.initialAccessToken { try await check(token, is: wanted, from: origin) }
        let choice = try ClientChoice(json: json, registration, at: vault.clock.now())
        do {
            let scope = try await scopeOfSelfRegistered()
            guard !scope.isEmpty else { throw OAuthError.nothingIsOpen }
            let registered = choice.registration(registration, scope: scope)
            func texts(_ values: [String]) -> ClaimValue { .array(values.map { .string($0) }) }
            return [
                "client_id": .string(try choice.sealed(by: vault)),
                "client_id_issued_at": .integer(choice.registeredAt.secondsSince1970),
                "client_name": .string(choice.name), "redirect_uris": texts(choice.redirectURIs),
                "grant_types": texts(registered.grantTypes.map(\.rawValue)), "response_types": ["code"],
                "token_endpoint_auth_method": "none", "scope": .string(scope.text),
            ]
        } catch { throw error as? OAuthError ?? failure(error) }
    }

    /// An operator chose the token, so guesses are slowed down, and the right one is, too, until the wait is over. A request
    /// without one is no guess.
    private func check(
        _ token: SecretBytes?, is wanted: SecretBytes, from origin: RequestOrigin
    ) async throws(OAuthError) {
        let subject = "registration token"
        let address = origin.address()
        var refusal = OAuthError(.invalidToken, status: 401, "A registration needs an initial access token.")
        var reason = TokenRequestRefusal.registrationToken
        if let address, let wait = throttle.wait(for: subject, from: address) {
            (refusal, reason) = (.throttled(wait), .throttled)
        } else if let token {
            let isRight = wanted.withExposed { wanted in
                wanted.count >= SelfRegistration.shortestToken
                    && token.withExposed { ConstantTime.equal($0, wanted) }
            }
            if isRight { return }
            if let address { throttle.failed(subject, from: address) }
        }
        do {
            try await vault.recordRefusal(
                reason, client: nil, channel: origin.channel, requestID: origin.requestID)
        } catch { throw failure(error) }
        throw refusal
    }

    /// The client that a `client_id` holds, where it is not in the vault.
    ///
    /// - Throws: the page to show for one that is over.
    func unregisteredClient(_ clientID: String) async throws -> Client? {
        guard let registration, registration.takesRequests,
            let choice = ClientChoice(opening: clientID, by: vault)
        else { return nil }
        guard vault.clock.now() < choice.registeredAt.advanced(by: ClientChoice.lifetime) else {
            throw OAuthError.invalidRequest(
                "The application registered more than 24 hours ago, and was never allowed. Add this server to it again."
            )
        }
        return Client(
            choice.registration(registration, scope: try await scopeOfSelfRegistered()), clientID: clientID,
            registeredAt: choice.registeredAt)
    }
}

extension VaultClients {
    /// Keeps a client that registered itself, now that a user allows it, with the consent; one that is kept gets the scope it
    /// may have now, and what its metadata say now.
    ///
    /// - Parameter scope: what the user allows it; nil: all that it may have.
    /// - Returns: nil where the user allows ``Limits/selfRegisteredClients`` others, or brought as many into the vault of late.
    /// - Throws: ``VaultError/Code/denied`` where the client or the user is disabled.
    package func keep(
        _ client: Client, for scope: ScopeSet? = nil, allowedBy user: OwnerID, through channel: AuditChannel,
        requestID: String?
    ) async throws -> Client? {
        let registration = try client.registration.checked()
        // The writer counts only what came after this.
        let (brought, newest) = try await vault.snapshot { database, _ in
            let now = vault.clock.now()
            let last = try database.newestOwner(
                createdBy: now.advanced(by: .zero - Limits.selfRegisteredWindow))
            return (
                try database.clients(broughtBy: user, after: last), try database.newestOwner(createdBy: now)
            )
        }
        return try await vault.write { transaction in
            let tags = transaction.keyring.lookup.tags(.clientID, of: Array(client.clientID.utf8))
            let database = try transaction.database
            let known = try database.ownerID(tags: tags)
            let consent = try known.flatMap { try database.consent(of: user, to: $0, transaction.keyring) }
            guard try consent != nil || database.allowsMore(user),
                try known != nil
                    || brought + database.clients(broughtBy: user, after: newest)
                        < Int64(Limits.selfRegisteredClients)
            else { return .unchanged(nil) }
            let refused = VaultError(.denied, "The client or the user was disabled.")
            guard let party = try transaction.owner(user), party.row.kind == .user,
                party.row.state == .active
            else { throw refused }
            var event = AuditEvent(
                .clientAdd, by: AuditActor(party.pseudonym, channel), reason: "self_registered",
                requestID: requestID)
            let id: OwnerID
            if let known {
                guard let kept = try transaction.client(known), kept.state == .active, kept.isSelfRegistered
                else { throw refused }
                var changed = registration
                (changed.name, changed.broughtBy) = (kept.registration.name, kept.registration.broughtBy)
                if kept.isChangedByOperator { changed = changed.bounded(by: kept.registration) }
                if changed.scope.isSubset(of: kept.registration.scope) {
                    changed.scope = kept.registration.scope
                }
                if changed != kept.registration {
                    try transaction.register(changed, of: known, isOperators: kept.isChangedByOperator)
                    event.operation = .clientChange
                    event.subject = kept.pseudonym
                }
                id = known
            } else {
                var added = registration
                added.broughtBy = user
                let owner = try transaction.addClient(added, client.clientID, nameTag: nil)
                (id, event.subject) = (owner.row.id, owner.pseudonym)
            }
            guard let kept = try transaction.client(id) else { throw refused }
            if event.subject != nil { transaction.log(event) }
            let allowed = scope ?? registration.scope
            guard consent.map({ !allowed.isSubset(of: $0.scope) }) ?? true else { return .logged(kept) }
            return Audited(
                kept,
                try transaction.remember(allowed, by: party, channel, to: kept, known: consent, requestID))
        }
    }
}

extension Database {
    /// The newest owner of those created by then: owners are numbered in the order of time.
    fileprivate func newestOwner(createdBy end: VaultInstant) throws -> Int64 {
        try count("SELECT id FROM owners WHERE created_at <= ? ORDER BY id DESC LIMIT 1", [SQLValue(end)])
    }

    /// How many clients a user brought into the vault, of those that are newer than an owner.
    fileprivate func clients(broughtBy user: OwnerID, after owner: Int64) throws -> Int64 {
        try count(
            "SELECT count(*) FROM clients WHERE id > ? AND self_registered = 1 AND registration LIKE ?",
            [.integer(owner), .text(ClientRegistration.storedStart(broughtBy: user) + "%")])
    }

    /// Whether a user may allow another client that registered itself.
    fileprivate func allowsMore(_ user: OwnerID) throws -> Bool {
        let allowed = try count(
            "SELECT count(*) FROM consents, clients WHERE owner_id = ? AND clients.id = client_id AND self_registered = 1",
            [.integer(user.rawValue)])
        return allowed < Int64(Limits.selfRegisteredClients)
    }
}

extension ClientRegistration {
    /// What a client says of itself, within what an operator left it.
    func bounded(by operators: ClientRegistration) -> ClientRegistration {
        var bounded = self
        bounded.scope = scope.intersection(operators.scope)
        bounded.lifetimes = operators.lifetimes
        bounded.rotation = operators.rotation
        return bounded
    }
}

extension OAuthError {
    private static let noRegistration = "Clients cannot register themselves here."

    fileprivate static let registrationIsOff = OAuthError(.invalidRequest, status: 404, noRegistration)

    fileprivate static let nothingIsOpen = OAuthError(
        .invalidClientMetadata, noRegistration + " No scope is open to them; ask the operator.")
}
