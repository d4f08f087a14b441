import ServiceLifecycle
import TokenVault

/// What happened to connections and providers of a vault, by whatever process, in order and without end.
///
/// ```swift
/// for try await event in keeper.events(after: stored.cursor) {
///     if event.kind == .needsConsent { try await ask(event.connection) }
///     try await stored.save(cursor: event.id)
/// }
/// ```
///
/// Whoever keeps the cursor after each event gets every event at least once, whatever crashes. The sequence ends when
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

        /// For whoever has dealt with all that ``next()`` gave: up to here there is nothing else. Further on
        /// than the last event where the log grew by what is none; a vault that issues many tokens is then
        /// not read again from there.
        public var cursor: Int64 { (waiting.first?.id ?? position) - 1 }

        public mutating func next() async throws -> KeeperEvent? {
            while !Task.isCancelled, !Task.isShuttingDownGracefully {
                if let event = waiting.popFirst() { return event }
                let page = try keeper.eventPage(from: position)
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
    /// Events that came after the one the cursor names, oldest first, then those to come.
    ///
    /// - Parameter cursor: ``KeeperEvent/id`` of the last event that was dealt with, or ``eventCursor()``; -1: from the
    ///   beginning of the log.
    public func events(after cursor: Int64) -> KeeperEvents {
        KeeperEvents(keeper: self, position: max(cursor, -1) + 1)
    }

    /// The cursor that stands for now.
    public func eventCursor() throws -> Int64 { try vault.auditSize() - 1 }

    /// The next events; may be none though there are more further on, unless it says that this is the end.
    package func eventPage(
        from position: Int64, limit: Int = 64
    ) throws -> (events: [KeeperEvent], next: Int64, isEnd: Bool) {
        let page = try vault.connectionEntries(from: position, limit: limit)
        return (page.entries.compactMap(KeeperEvent.init), page.next, page.isEnd)
    }
}
