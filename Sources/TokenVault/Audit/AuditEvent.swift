package import VaultCore
import VaultCrypto

/// What happened, as the log keeps it. The transaction adds index, time and the rows that changed.
package struct AuditEvent: Sendable {
    package var operation: AuditOperation
    package var outcome: AuditOutcome
    /// A word of our own vocabulary, never text from outside.
    package var reason: String?
    package var actor: AuditActor
    /// Pseudonym of the user or client it happened to, where that is not the actor.
    package var subject: Pseudonym?
    package var grant: GrantID?
    package var generation: UInt32?
    package var fingerprint: [UInt8]?
    package var requestID: String?
    /// Grants and connections of a collective entry, with their owners: named by hashes that only these can open.
    package var grants: [(id: Int64, owner: Pseudonym)] = []
    /// Set where a grant, connection or consent was created, see ``WriteTransaction/countCreation(of:)``.
    package var creation: Creation?
    /// The log's time goes back to the wall clock with this entry.
    package var setsTime = false
    /// How many it tells of; of `audit.prune` the first entry kept.
    package var count: Int?
    package var personal: PersonalData?
    /// Who holds something authentic can cause it at will: written at a bounded rate, see ``RefusalAllowance``. Never on an
    /// event that changes rows.
    package var isLimited = false

    package init(
        _ operation: AuditOperation, _ outcome: AuditOutcome = .succeeded, by actor: AuditActor,
        reason: String? = nil, subject: Pseudonym? = nil, grant: GrantID? = nil, generation: UInt32? = nil,
        fingerprint: [UInt8]? = nil, requestID: String? = nil, count: Int? = nil
    ) {
        self.operation = operation
        self.outcome = outcome
        self.actor = actor
        self.reason = reason
        self.subject = subject
        self.grant = grant
        self.generation = generation
        self.fingerprint = fingerprint
        self.requestID = requestID
        self.count = count
    }
}

/// Who did it, and through which door.
package struct AuditActor: Sendable {
    /// Nil: a stranger.
    package let pseudonym: Pseudonym?
    package let channel: AuditChannel
    /// Details of an operator's act, kept sealed with the entry.
    let details: ActorDetails?

    /// What a stranger is called in the log.
    static let anonymous = "anonymous"

    package init(_ pseudonym: Pseudonym?, _ channel: AuditChannel, _ details: ActorDetails? = nil) {
        self.pseudonym = pseudonym
        self.channel = channel
        self.details = details
    }

    /// The actor without details, for the many entries of upkeep and long work.
    package var withoutDetails: AuditActor { AuditActor(pseudonym, channel) }
}

/// The interface that an event came through.
public enum AuditChannel: String, Sendable {
    case http
    case command
    case library
}

/// A random name for an owner in the log; what it stands for is sealed under the owner's key.
package struct Pseudonym: Sendable, Hashable {
    package static let byteCount = 16
    package let bytes: [UInt8]

    /// Of what is not in the log.
    init() { bytes = Array(repeating: 0, count: Self.byteCount) }

    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }
}

/// Data about a person that belongs to an entry: sealed under the owner's key, outside the tree.
package struct PersonalData: Sendable {
    package let owner: OwnerID
    package let data: [UInt8]

    package init(owner: OwnerID, data: [UInt8]) {
        (self.owner, self.data) = (owner, data)
    }

    /// What an entry holds of `data`: SHA-256(salt ‖ data), in hexadecimal.
    package static func commitment(to data: [UInt8], salt: [UInt8]) -> String {
        Hex.encode(SHA256.hash(salt + data).bytes)
    }
}

/// How it ended.
package enum AuditOutcome: String, Sendable {
    case succeeded = "ok"
    /// The same answer was given again.
    case replayed
    /// Nothing changed.
    case refused
    /// Refused, and the grant was revoked for it.
    case revoked
}

/// The verbs of the log. An open set: later versions add to it.
package struct AuditOperation: RawRepresentable, Sendable, Hashable {
    package let rawValue: String

    package init(rawValue: String) { self.rawValue = rawValue }

    private static func verb(_ name: String) -> Self { Self(rawValue: name) }

    package static let vaultCreate = verb("vault.create")
    package static let vaultOpen = verb("vault.open")
    package static let userAdd = verb("user.add")
    package static let userChange = verb("user.change")
    package static let userRemove = verb("user.remove")
    package static let userErase = verb("user.erase")
    package static let userPassword = verb("user.password")
    package static let userSignIn = verb("user.sign-in")
    package static let clientAdd = verb("client.add")
    package static let clientChange = verb("client.change")
    package static let clientRemove = verb("client.remove")
    package static let clientSecretAdd = verb("client.rotate-secret")
    package static let grantAuthorize = verb("grant.authorize")
    package static let grantRevoke = verb("grant.revoke")
    package static let grantFirstUse = verb("grant.first-use")
    package static let grantPurge = verb("grant.purge")
    package static let consentGrant = verb("consent.grant")
    package static let consentWithdraw = verb("consent.withdraw")
    package static let keyRotate = verb("key.rotate")
    package static let keyRewrap = verb("key.rewrap")
    package static let signingKeyAdd = verb("signing-key.add")
    package static let keyslotAdd = verb("keyslot.add")
    package static let keyslotRemove = verb("keyslot.remove")
    package static let keyslotTest = verb("keyslot.test")
    package static let recoveryCreate = verb("recovery.create")
    package static let providerAdd = verb("provider.add")
    package static let providerChange = verb("provider.change")
    package static let providerRemove = verb("provider.remove")
    package static let connectionBegin = verb("connection.begin")
    package static let connectionCallback = verb("connection.callback")
    package static let connectionAdd = verb("connection.add")
    package static let connectionIntent = verb("connection.intent")
    package static let connectionRefresh = verb("connection.refresh")
    package static let connectionRevoke = verb("connection.revoke")
    package static let connectionRemove = verb("connection.remove")
    package static let connectionReveal = verb("connection.reveal")
    package static let webhookAdd = verb("webhook.add")
    package static let webhookRemove = verb("webhook.remove")
    package static let anchorAdd = verb("anchor.add")
    package static let anchorRemove = verb("anchor.remove")
    package static let backupCreate = verb("backup.create")
    package static let vaultRestore = verb("vault.restore")
    package static let codeExchange = verb("token.code")
    package static let refresh = verb("token.refresh")
    package static let clientCredentials = verb("token.client-credentials")
    package static let implicit = verb("token.implicit")
    package static let clientAuthentication = verb("client.authenticate")
    package static let tokenRequest = verb("token.request")
    package static let auditCarry = verb("audit.carry")
    package static let auditPrune = verb("audit.prune")
    package static let auditRefusals = verb("audit.refusals")
    package static let auditSetTime = verb("audit.set-time")
}

/// The result of a write together with its entries: a change without an event does not type-check.
package struct Audited<Result: Sendable>: Sendable {
    package let result: Result
    package let events: [AuditEvent]
    /// What the body may have written all the same.
    let kind: BodyKind

    private init(_ result: Result, _ events: [AuditEvent] = [], _ kind: BodyKind) {
        (self.result, self.events, self.kind) = (result, events, kind)
    }

    /// Nothing was written.
    package static func unchanged(_ result: Result) -> Audited { Audited(result, [], .unchanged) }

    /// Only what no entry names was written: sessions, jobs, used assertions, heartbeats, expired rows.
    package static func upkeep(_ result: Result) -> Audited { Audited(result, [], .upkeep) }

    /// What was written is named by entries that the body made as it went on (``WriteTransaction/log(_:)``).
    package static func logged(_ result: Result) -> Audited { Audited(result, [], .change) }

    func map<Other>(_ change: (Result) -> Other) -> Audited<Other> {
        Audited<Other>(change(result), events, kind)
    }

    package init(_ result: Result, _ event: AuditEvent, _ further: [AuditEvent] = []) {
        self.result = result
        self.events = [event] + further
        kind = .change
    }
}
