package import TokenVault
package import VaultCore
import VaultCrypto
import VaultStore

/// What a presented client secret turned out to be.
package enum ClientSecretVerdict: Sendable, Equatable {
    /// Accepted now. Not the newest: the client was given another, and this one is about to end.
    case accepted(generation: UInt32, isNewest: Bool)
    /// One of the client's, which has ended.
    case expired(generation: UInt32)
    case wrong
}

/// Why a token request was refused before a grant came into play: the raw value is the word in the log.
package enum TokenRequestRefusal: String, Sendable, CaseIterable {
    case noAuthentication = "no_authentication"
    case unknownClient = "unknown_client"
    case wrongSecret = "wrong_secret"
    case secretExpired = "secret_expired"
    case wrongMethod = "wrong_method"
    case clientDisabled = "client_disabled"
    case throttled
    case registrationToken = "registration_token"
    case assertionMalformed = "assertion_malformed"
    case assertionAlgorithm = "assertion_algorithm"
    case assertionUnknownKey = "assertion_unknown_key"
    case assertionUnusableKey = "assertion_unusable_key"
    case assertionSignature = "assertion_signature"
    case assertionClaims = "assertion_claims"
    case assertionExpired = "assertion_expired"
    case assertionAudience = "assertion_audience"
    case assertionReplayed = "assertion_replayed"
    case unauthorizedClient = "unauthorized_client"
    case missingParameter = "missing_parameter"
    case malformedScope = "malformed_scope"
    case scopeExceeded = "scope_exceeded"
    case invalidTarget = "invalid_target"

    fileprivate var operation: AuditOperation {
        switch self {
        case .unauthorizedClient, .missingParameter, .malformedScope, .scopeExceeded, .invalidTarget:
            .tokenRequest
        default: .clientAuthentication
        }
    }
}

extension Vault {
    /// Compares `secret` with every secret of the client, in constant time, whichever matches. For an unknown
    /// client the same work is done for nothing, so that answers do not tell which clients exist.
    package func judge(_ secret: SecretBytes, of client: Client?) -> ClientSecretVerdict {
        // Without the issuer's keys no secret is known.
        guard let tags = try? keyring.issuerTags else { return .wrong }
        guard let client, !client.secrets.isEmpty else {
            let tag = tags.current.tag(.clientSecret, of: secret)
            _ = ConstantTime.equal(tag, [UInt8](repeating: 0, count: tag.count))
            return .wrong
        }
        let now = clock.now()
        var verdict = ClientSecretVerdict.wrong
        for row in client.secrets {
            guard let key = tags.all[UInt8(truncatingIfNeeded: row.tagKeyID)] else { continue }
            guard ConstantTime.equal(row.tag, key.tag(.clientSecret, of: secret)) else { continue }
            let generation = UInt32(truncatingIfNeeded: row.generation)
            // No secret is given out before it begins. One that begins in the future was made while the clock was
            // ahead, so only its end counts.
            verdict =
                row.notAfter.map { now < $0 } ?? true
                ? .accepted(
                    generation: generation, isNewest: row.generation == client.secrets.last?.generation)
                : .expired(generation: generation)
        }
        return verdict
    }

    /// Writes a refusal into the log, at a bounded rate; the rest is counted.
    ///
    /// - Parameter client: the one that was named. It is authenticated, or public, where something else was refused than its
    ///   authentication.
    package func recordRefusal(
        _ reason: TokenRequestRefusal, client: Client?, secretGeneration: UInt32? = nil,
        channel: AuditChannel,
        requestID: String?
    ) async throws {
        try client?.requireReading()
        var event = AuditEvent(
            reason.operation, .refused,
            by: AuditActor(client?.pseudonym, channel))
        event.reason = reason.rawValue
        event.generation = secretGeneration
        event.requestID = requestID
        event.isLimited =
            secretGeneration != nil
            || (reason.operation == .tokenRequest && client?.registration.isPublic == false)
        try await record(event)
    }
}

extension Vault {
    /// Remembers that a client used an assertion; true exactly once for each of a client's identifiers (`jti`), however
    /// many processes ask (RFC 7523 section 3, item 7).
    ///
    /// - Parameter end: when the assertion expires, after which it is refused anyhow.
    package func useAssertion(
        _ identifier: String, of client: OwnerID, until end: VaultInstant
    ) async throws -> Bool {
        var value: [UInt8] = []
        value.append(bigEndian: client.rawValue)
        value += identifier.utf8
        // A clock that is set back must not bring a used one back to life.
        let forgottenAt = end.advanced(by: Limits.assertionRetention)
        return try await housekeep { [value] transaction in
            let tags = transaction.keyring.lookup.tags(.assertion, of: value)
            let isUsed = try tags.contains {
                try transaction.database.finds("SELECT 1 FROM used_assertions WHERE id = ?", [.blob($0)])
            }
            guard !isUsed else { return false }
            transaction.purge("used_assertions")
            transaction.put(
                RowWrite(
                    "INSERT INTO used_assertions (id, expires_at) VALUES (?, ?)",
                    [.blob(tags[0]), SQLValue(forgottenAt)]))
            return true
        }
    }
}
