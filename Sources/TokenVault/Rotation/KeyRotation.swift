import VaultCore

/// How far a rotation is.
public struct KeyRotationProgress: Sendable {
    /// What is done now: `owners`, `proof`, or the name of a table.
    public let phase: String
    /// Of `total`, in this phase.
    public let done: Int64
    public let total: Int64
}

/// What a rotation did.
public struct KeyRotationReport: Sendable {
    /// `root`, `deep`, `handles`, `tags`, `lookup`, `rows` or `log`.
    public let kind: String
    /// Of the root key, afterwards.
    public let epoch: Int64
    /// Owners, records or rows that were written anew, by this call.
    public internal(set) var rewritten: Int64 = 0
    /// A rotation that was interrupted was taken up and finished.
    public internal(set) var isResumed = false
}

/// Where rotations tell how far they are.
public typealias KeyRotationObserver = @Sendable (KeyRotationProgress) -> Void

extension AuditEvent {
    /// The operator did something to keys: `reason` is what, in a word of our own.
    static func keys(_ operation: AuditOperation, _ reason: String, by actor: AuditActor, count: Int? = nil)
        -> AuditEvent
    {
        var event = AuditEvent(operation, by: actor)
        event.reason = reason
        event.count = count
        return event
    }
}
