package import VaultCore

/// Where a vault's rows are. What every engine does alike (rows, rules, log) is above; how it locks, makes durable, waits and
/// finds the outcome of a commit is its own.
///
/// Nothing here suspends. A store behind a network would: for its reads there is one door above, the reading functions of
/// the vault, which are asynchronous; what has a thread of its own may block.
package protocol VaultStore: AnyObject, Sendable {
    /// Where that is, as people name it.
    var path: String { get }
    /// Whether answers come over a network, so that who asks must not be on a thread that tasks share.
    var isRemote: Bool { get }

    /// Whether what was read until now is what is there. A networked store has to say no where this process has not
    /// committed for a while: another server may have taken over, and what was read be of the one before.
    var vouchesForReads: Bool { get }
    /// What to commit so that the store vouches for reads again, and tells by it that it is the one that others use.
    var proof: [RowWrite] { get }

    /// For reading that is soon over.
    var reader: any StoreReader { get throws }
    /// A connection of its own for long reading, so that no other reader waits. The caller closes it.
    func longReader() throws -> any StoreReader

    /// Runs `body` in the one write transaction there is, and makes it durable. One thread calls this.
    ///
    /// - Parameters:
    ///   - waiting: called now and then while others write; throws to give up.
    ///   - body: reads and writes; returns nil where there is nothing to commit, and throws where nothing shall be.
    ///   - durable: called as soon as the commit is on the disk, before any upkeep.
    func commit(
        waiting: () throws -> Void, _ body: (any StoreTransaction) throws -> StoreCommit?,
        durable: (_ isLogEmptied: Result<Bool, VaultError>) -> Void
    ) -> CommitOutcome

    /// Now, on the clocks by which a transaction would decide.
    ///
    /// - Parameter clock: this machine's.
    func time(by clock: any VaultClock) -> StoreTime

    /// Whether work that begins something may be taken.
    var acceptsNewWork: Bool { get }
    /// As ``acceptsNewWork``, but looks once more where it was not so; nil: yes.
    func refusalOfNewWork() -> VaultError?

    /// Now and then: gets back what was given up for want of space.
    func keepUp()

    /// - Throws: ``VaultError/Code/schemaNewer`` when a newer program has changed the tables since the store was opened.
    func refuseNewer(_ database: Database) throws

    /// What to say of an error of this engine. No value of a row is repeated.
    func translate(_ error: any Error) -> VaultError
    /// The same of an error before the vault was open.
    func translateOpening(_ error: any Error) -> VaultError

    /// Joins the processes that serve the vault.
    ///
    /// - Returns: whether there was no other.
    func beginServing() throws -> Bool
    /// Whether another process serves the vault. For one that does not serve it itself.
    func isServed() throws -> Bool

    func close() throws
}

extension VaultStore {
    package var isRemote: Bool { false }
    package var vouchesForReads: Bool { true }
    package var proof: [RowWrite] { [] }
    package func time(by clock: any VaultClock) -> StoreTime { StoreTime(by: clock) }
    package func translateOpening(_ error: any Error) -> VaultError { translate(error) }
}

/// An error that a body ends with for its caller's sake: a store hands it on as it is, where it translates all others.
package protocol StoreSignal: Error {}

/// Reads rows, from several threads at once; in place, see ``VaultStore``.
package protocol StoreReader: AnyObject, Sendable {
    /// Each statement of `body` sees the newest state.
    func withConnection(_ body: (Database) throws -> Void) throws
    /// All statements of `body` see one state.
    func withSnapshot(_ body: (Database) throws -> Void) throws
    func close() throws
}

extension StoreReader {
    package func read<Result>(_ body: (Database) throws -> Result) throws -> Result {
        var result: Result?
        try withConnection { result = try body($0) }
        return try result.unwrapped()
    }

    package func snapshot<Result>(_ body: (Database) throws -> Result) throws -> Result {
        var result: Result?
        try withSnapshot { result = try body($0) }
        return try result.unwrapped()
    }
}

extension Optional {
    fileprivate func unwrapped() throws -> Wrapped {
        guard let self else { throw VaultError(.internalError, "A read ended without a result.") }
        return self
    }
}

extension VaultStore {
    /// Runs long reading on a connection of its own.
    package func withOwnReader<Result>(_ body: (Database) throws -> Result) throws -> Result {
        let own = try longReader()
        defer { try? own.close() }
        return try own.snapshot(body)
    }
}

/// What the body of a transaction wants committed.
package struct StoreCommit: Sendable {
    /// What was not applied yet.
    package let writes: [RowWrite]
    /// Whether a database shows this commit: asked if the engine does not know its outcome. Nil if not known.
    package let isThere: (@Sendable (Database) throws -> Bool)?
    /// Afterwards nothing of what was before shall be left in the engine's own log.
    package let emptiesLog: Bool

    package init(
        _ writes: [RowWrite], isThere: (@Sendable (Database) throws -> Bool)?, emptiesLog: Bool = false
    ) {
        (self.writes, self.isThere, self.emptiesLog) = (writes, isThere, emptiesLog)
    }
}

package enum CommitOutcome {
    /// Durable; or there was nothing to commit, and `durable` was not called.
    case committed
    case unchanged
    /// Nothing is changed.
    case failed(VaultError)
    /// Nothing is changed, because a row could not be written.
    case notApplied(VaultError)
    /// Whether anything is cannot be told now.
    case unknown

    /// What callers are told of ``unknown``.
    package static func isUnknown(_ store: any VaultStore) -> VaultError {
        store.isRemote
            ? VaultError(
                .outcomeUnknown,
                "The database server did not answer a commit; it is unknown whether the change was made.",
                remedy: "Look whether it is there before repeating it, and check the server and its standbys."
            )
            : VaultError(
                .outcomeUnknown,
                "The disk failed while committing; it is unknown whether the change was made.",
                remedy: "Check the disk, verify the audit log, and restart.")
    }
}

extension VaultError {
    package static let serverWasReplaced = VaultError(
        .unavailable,
        "The database server shows less than it did: it may have been replaced by another, or be the one that was.",
        remedy: "Try again in a moment. If it persists, check which server is the primary.")
}
