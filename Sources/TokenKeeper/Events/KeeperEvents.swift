import ServiceLifecycle
import TokenVault
public import VaultCore

/// The events of a vault's connections and providers, from any process, in order and without end.
///
/// ```swift
/// for try await event in keeper.events(after: stored.cursor) {
///     if event.kind == .needsConsent { try await ask(event.connection) }
///     try await stored.save(cursor: event.id)
/// }
/// ```
///
/// Anyone who keeps the cursor after each event gets every event at least once, whatever crashes. The sequence ends when
/// its task is cancelled or the service shuts down gracefully; it throws ``VaultError`` where the log cannot be read.
public struct KeeperEvents: AsyncSequence, Sendable {
    public typealias Element = KeeperEvent

    let keeper: TokenKeeper
    let position: Int64

    public func makeAsyncIterator() -> Iterator { Iterator(keeper: keeper, position: position) }

    public struct Iterator: AsyncIteratorProtocol {
        private let keeper: TokenKeeper
        /// Index of the next entry to look at.
        private var position: Int64
        private var waiting: ArraySlice<KeeperEvent> = []

        init(keeper: TokenKeeper, position: Int64) {
            self.keeper = keeper
            self.position = position
        }

        /// The cursor to store after the events that ``next()`` gave: there is nothing else up to here. It is later
        /// than the last event if the log grew by other entries; a vault that issues many tokens is then
        /// not read again from there.
        public var cursor: Int64 { (waiting.first?.id ?? position) - 1 }

        public mutating func next() async throws -> KeeperEvent? {
            while !Task.isCancelled, !Task.isShuttingDownGracefully {
                if let event = waiting.popFirst() { return event }
                let page = try await keeper.eventPage(from: position)
                position = page.next
                waiting = page.events[...]
                guard waiting.isEmpty else { continue }
                if page.isEnd {
                    try? await cancelWhenGracefulShutdown { try await Task.sleep(for: Self.pollInterval) }
                } else {
                    // A long way to catch up: others on this thread want their turn.
                    await Task.yield()
                }
            }
            return nil
        }

        /// A look at a log that has not grown costs a read of one row.
        private static let pollInterval = Duration.milliseconds(200)
    }
}

extension TokenKeeper {
    /// Returns the events after the one that the cursor names, oldest first, then those to come.
    ///
    /// - Parameter cursor: ``KeeperEvent/id`` of the last event that was handled, or ``eventCursor()``; -1: from the
    ///   beginning of the log.
    public func events(after cursor: Int64) -> KeeperEvents {
        KeeperEvents(keeper: self, position: max(cursor, -1) + 1)
    }

    /// Returns the cursor of the newest event.
    public func eventCursor() async throws -> Int64 { try await vault.auditSize() - 1 }

    /// The next events; may be none though there are more further on, unless it says that this is the end.
    package func eventPage(
        from position: Int64, limit: Int = 64
    ) async throws -> (events: [KeeperEvent], next: Int64, isEnd: Bool) {
        let page = try await vault.connectionEntries(from: position, limit: limit)
        return (
            page.entries.compactMap { KeeperEvent($0, provider: $1, providerName: $2) }, page.next, page.isEnd
        )
    }
}

/// An event of a connection or a provider. It is durable: it is read from the audit log, into which
/// the same transaction wrote it.
public struct KeeperEvent: Sendable, Equatable {
    /// Index of its entry in the log, and the cursor to go on from. The order in which things happened, with
    /// gaps.
    public let id: Int64
    public let time: VaultInstant
    public let kind: Kind
    /// The connection; nil if the event is about a provider.
    public let connection: ConnectionID?
    /// The provider; nil if the connection was removed since.
    public let provider: ProviderID?
    /// The provider's name in this vault; nil if ``provider`` is, or if that was removed since.
    public let providerName: String?
    /// The generation of the connection's tokens after the event; for a provider, its revision.
    public let generation: Int64
    /// The reason as a word; new ones may appear in any release.
    public let reason: String?

    /// The kind of an event; new kinds may appear in any release.
    public struct Kind: RawRepresentable, Sendable, Hashable {
        public let rawValue: String

        public init(rawValue: String) { self.rawValue = rawValue }
    }
}

extension KeeperEvent.Kind {
    private static func connection(_ name: String) -> Self { Self(rawValue: "connection." + name) }
    private static func provider(_ name: String) -> Self { Self(rawValue: "provider." + name) }

    /// The user consented, for the first time or again; or a connection for tokens of our own was made.
    public static let connected = connection("connected")
    /// Tokens that another program obtained were imported.
    public static let imported = connection("imported")
    public static let refreshed = connection("refreshed")
    /// A refresh got no tokens; a live connection is tried again. Of refusals in
    /// a row only the first is an event.
    public static let refreshFailed = connection("refresh_failed")
    /// The user must consent again. Sent once, until the connection has tokens again.
    public static let needsConsent = connection("needs_consent")
    /// The access token has expired and the provider has refused for hours. Sent once, until there are tokens again.
    public static let failing = connection("failing")
    /// The connection needed consent or was failing, and a refresh worked nevertheless.
    public static let recovered = connection("recovered")
    /// It was ended here; the provider is still to revoke it. Comes again if tokens came late that must be revoked
    /// too.
    public static let revoking = connection("revoking")
    /// The provider revoked it, or has no revocation; its tokens are destroyed.
    public static let revoked = connection("revoked")
    /// The provider did not accept the revocation, which is retried.
    public static let revocationFailed = connection("revocation_failed")
    public static let removed = connection("removed")
    /// Its tokens were shown to a person.
    public static let revealed = connection("revealed")

    public static let providerAdded = provider("added")
    /// The entry or the credentials of the provider were replaced.
    public static let providerChanged = provider("changed")
    public static let providerRemoved = provider("removed")
    /// The provider refuses our client and is called once a minute at most; an operator has to correct that.
    public static let providerStopped = provider("stopped")
    public static let providerResumed = provider("resumed")
}

extension KeeperEvent {
    /// Nil: an entry that tells nothing new (an intent, a repeated wish or refusal), or of a later version.
    init?(_ entry: AuditEntry, provider: ProviderID?, providerName: String?) {
        guard let id = entry.grant, let (kind, reason) = Self.meaning(of: entry) else { return nil }
        self.id = entry.index
        time = entry.wall
        self.kind = kind
        connection = entry.operation.hasPrefix("provider.") ? nil : ConnectionID(id)
        self.provider = provider
        self.providerName = providerName
        generation = entry.generation ?? 0
        self.reason = reason
    }

    private static func meaning(of entry: AuditEntry) -> (kind: Kind, reason: String?)? {
        if let cause = LeafReason.causeOfLoss(entry.reason) { return (.needsConsent, cause) }
        if let cause = LeafReason.causeOfFailing(entry.reason) { return (.failing, cause) }
        if LeafReason.isRepeat(entry.reason) { return nil }
        let isRefused = entry.outcome == AuditOutcome.refused.rawValue
        return kind(of: AuditOperation(rawValue: entry.operation), isRefused: isRefused, entry.reason)
            .map { ($0, entry.reason) }
    }

    private static func kind(of operation: AuditOperation, isRefused: Bool, _ reason: String?) -> Kind? {
        switch (operation, reason) {
        case (.connectionAdd, nil): .connected
        case (.connectionAdd, LeafReason.imported): .imported
        case (.connectionAdd, LeafReason.unwanted): .revoking
        // The user came back, and the answer to that could not be read either.
        case (.connectionAdd, _): .refreshFailed
        case (.connectionRefresh, _) where isRefused: .refreshFailed
        case (.connectionRefresh, LeafReason.recovered): .recovered
        case (.connectionRefresh, LeafReason.cameLate): .revoking
        case (.connectionRefresh, _): .refreshed
        case (.connectionRevoke, LeafReason.requestedAgain), (.connectionRevoke, LeafReason.changedMeanwhile):
            nil
        case (.connectionRevoke, LeafReason.requested), (.connectionRevoke, Vault.userRemoved): .revoking
        case (.connectionRevoke, _): isRefused ? .revocationFailed : .revoked
        case (.connectionRemove, _): .removed
        case (.connectionReveal, _): .revealed
        case (.providerAdd, _): .providerAdded
        case (.providerChange, LeafReason.stopped): .providerStopped
        case (.providerChange, LeafReason.resumed): .providerResumed
        case (.providerChange, _): .providerChanged
        case (.providerRemove, _): .providerRemoved
        default: nil
        }
    }
}
