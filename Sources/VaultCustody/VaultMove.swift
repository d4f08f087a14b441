import Foundation
import MerkleLog
import PostgresStore
import SQLiteStore
public import TokenVault
import VaultAudit
public import VaultCore
public import VaultCrypto
import VaultStore

/// Moves a vault from a file to PostgreSQL, back, or to another PostgreSQL database: every row as it is, keys and log with
/// them.
///
/// ```swift
/// let move = VaultMove(
///     from: .file("/var/lib/app/vault"), to: .postgres(service: "tokenvault"), unlockedBy: .keyFile(path: "vault.key"))
/// let receipt = try await move.run()
/// ```
///
/// No service may use the vault meanwhile. The copy is made in one transaction. Then the copy is opened and verified as a
/// whole, and its log has to begin with the log that was copied, by the root. At the end the vault is closed to all others
/// where it was, unless it was written meanwhile: a file gets another name, a database a mark. Last, an entry of the copy's
/// log says that it was moved, and the anchors go with it.
///
/// Before that entry is there, a copy in PostgreSQL cannot be opened, and one in a file has another name. After a failure, run
/// the move again: it makes another copy, or finishes the one for which the vault was left already.
public struct VaultMove: Sendable {
    public var source: VaultPlace
    /// Where no vault is yet, or the unfinished copy of an earlier try.
    public var target: VaultPlace
    /// What opens one of the vault's keyslots.
    public var key: KeySource
    /// As ``Vault/create(at:unlockedBy:isSingle:configuration:)`` has it.
    public var isSingle: Bool
    public var configuration: VaultConfiguration

    public init(
        from source: VaultPlace, to target: VaultPlace, unlockedBy key: KeySource, isSingle: Bool = false,
        configuration: VaultConfiguration = VaultConfiguration()
    ) {
        (self.source, self.target, self.key) = (source, target, key)
        (self.isSingle, self.configuration) = (isSingle, configuration)
    }

    /// - Parameter progress: called now and then with the share done, 0 to 1.
    /// - Throws: ``VaultError/Code/busy`` while the vault is served, or where it was written meanwhile;
    ///   ``VaultError/Code/alreadyExists``, ``VaultError/Code/integrity`` (the vault is damaged, or the copy is not the same),
    ///   and what opening and creating a vault throw.
    public func run(progress: @escaping @Sendable (Double) -> Void = { _ in }) async throws -> MoveReceipt {
        if case (.file, .file) = (source, target) {
            throw VaultError(
                .invalidInput, "A vault is moved to PostgreSQL, or from there.",
                remedy: "Move the file itself while no service uses it, with the files beside it.")
        }
        let earlier = try await BlockingThread.result { try earlierTry() }
        if let earlier, let left = try await BlockingThread.result({ try left(by: earlier) }) {
            let copy = try MovedCopy(earlier.vault, to: target, at: earlier.begunAt)
            return try await finish(
                open(copy), copy, from: left.path, earlier.rows, earlier.logSize, left.setAside,
                isRepeated: true)
        }
        let begun = configuration.clock.now()
        let (rows, head, path, copy) = try await copied(begun) { progress($0 * 0.6) }
        let vault: Vault
        let setAside: String?
        do {
            vault = try await open(copy)
            do { try await prove(vault, head) { progress(0.6 + $0 * 0.4) } } catch {
                await vault.close()
                throw error
            }
        } catch {
            copy.remove()
            throw failure(error)
        }
        do { setAside = try await BlockingThread.result { try leave(head, rows, begun) } } catch {
            await vault.close()
            let failure = failure(error)
            // Any other failure may be of a vault that was left for this copy.
            if failure.code == .busy { copy.remove() }
            throw failure
        }
        return try await finish(
            vault, copy, from: path, rows, head.size, setAside, isRepeated: earlier != nil)
    }

    /// A copy in PostgreSQL says of itself which vault it is of; one in a file is told by the database that was left.
    private func earlierTry() throws -> MoveMark.Found? {
        switch (source, target) {
        case (_, .postgres(let service)):
            return try MoveMark.isCopied.find(at: PostgresPlace(service: service))
        case (.postgres(let service), .file):
            guard let left = try MoveMark.hasLeft.find(at: PostgresPlace(service: service)) else {
                return nil
            }
            let copy = try MovedCopy(left.vault, to: target, at: left.begunAt)
            if copy.isThere { return left }
            guard access(copy.path, F_OK) != 0 else { return nil }
            throw VaultError(
                .notFound, "The vault has left \(source), and its copy is not at \(copy.place).",
                remedy:
                    "If that move ended, name the new place. If not, run it again on the machine and with the path of the time before: the copy there is the only vault."
            )
        case (.file, .file): return nil
        }
    }

    /// Where the vault was, and is now, if an earlier try had left it already.
    private func left(by earlier: MoveMark.Found) throws -> (path: String, setAside: String?)? {
        switch source {
        case .file(let named):
            // Of a link the file has gone, and not the link.
            let linked = try? FileManager.default.destinationOfSymbolicLink(atPath: named)
            let directory = VaultFile.directory(of: named)
            let path = try VaultFile.resolve(
                linked.map { $0.hasPrefix("/") ? $0 : "\(directory)/\($0)" } ?? named, isNew: true)
            let setAside = Self.place(for: path, earlier.begunAt)
            guard access(path, F_OK) != 0, access(setAside, F_OK) == 0 else { return nil }
            try VaultFile.synchronize(VaultFile.directory(of: path), O_RDONLY | O_DIRECTORY)
            return (path, setAside)
        case .postgres(let service):
            let place = try PostgresPlace(service: service)
            let left = try MoveMark.hasLeft.find(at: place)
            guard left?.vault == earlier.vault, left?.begunAt == earlier.begunAt else { return nil }
            try MoveMark.hasLeft.settle(at: place)
            return (place.name, nil)
        }
    }

    private func open(_ copy: MovedCopy) async throws -> Vault {
        guard case .postgres(let service) = copy.place else {
            return try await Vault.open(at: copy.place, unlockedBy: key, configuration: configuration)
        }
        let store = try await BlockingThread.result {
            try PostgresStore(
                at: PostgresPlace(service: service), logger: configuration.logger, admitsCopy: true)
        }
        return try await Vault.open(in: store, unlockedBy: key, configuration: configuration)
    }

    /// Says in the log of the copy that it is the vault from now on, takes the anchors along, closes it, and gives it its
    /// name.
    private func finish(
        _ vault: Vault, _ copy: MovedCopy, from old: String, _ rows: Int64, _ size: Int64,
        _ setAside: String?, isRepeated: Bool
    ) async throws -> MoveReceipt {
        let root: Digest
        do {
            root = try await vault.scan { database, _ in
                try StoredLog(database).subtrees.root(over: 0..<UInt64(size))
            }
            try await vault.write(.finishing) { transaction in
                if vault.store.isRemote { transaction.put(MoveMark.isCopied.removal) }
                try transaction.moveAnchors(from: old, to: copy.path)
                return Audited((), AuditEvent(.vaultMove, by: vault.operatorActor))
            }
            await vault.close()
            try await BlockingThread.result { try copy.publish() }
            // Its anchors take the word of a vault under its own name only.
            if !vault.store.isRemote {
                try? await Vault.open(at: target, unlockedBy: key, configuration: configuration).close()
            }
        } catch {
            await vault.close()
            let cause = vault.store.translate(error)
            throw VaultError(
                cause.code,
                "The vault has left \(source), and the copy at \(copy.place) is whole; it could not be finished: \(cause.message)",
                remedy: "Mend that, then move the vault again, which finishes it.")
        }
        return MoveReceipt(
            source: source, target: target, rows: rows, logSize: size, logRoot: Hex.encode(root.bytes),
            setAside: setAside, isRepeated: isRepeated)
    }

    /// There is a copy, and it was not finished with.
    private func failure(_ error: any Error) -> VaultError {
        let cause = error as? VaultError
        if cause?.code == .outcomeUnknown {
            return VaultError(
                .outcomeUnknown,
                "The copy for \(target) is whole. Whether \(source) was marked as moved away is not known.",
                remedy: "Move the vault again: that finishes it, or begins again.")
        }
        return VaultError(
            cause?.code ?? .internalError,
            "The vault was not moved to \(target): \(cause?.message ?? "the copy could not be checked.")",
            remedy: "Mend that, then move the vault again, which makes another copy.")
    }

    private func openSource() async throws -> Vault {
        do {
            return try await Vault.open(at: source, unlockedBy: key, configuration: configuration)
        } catch let error as VaultError where error.code == .notFound && Vault.mayBe(at: target) {
            guard case .file = source else { throw error }
            throw VaultError(
                .notFound, error.message,
                remedy: "Look at \(target): if the vault is there, an earlier move has ended.")
        }
    }

    private func copied(
        _ begun: VaultInstant, _ progress: @escaping @Sendable (Double) -> Void
    ) async throws -> (rows: Int64, head: LogHead, path: String, copy: MovedCopy) {
        // Shows that the key is right before anything is copied.
        let vault = try await openSource()
        let result: (rows: Int64, head: LogHead, path: String, copy: MovedCopy)
        do {
            if case .file(let path) = target { try VaultFile.checkDirectory(of: path) }
            let copy = try MovedCopy(vault.id.bytes, to: target, at: begun)
            result = try await BlockingThread.result {
                try refuseServed(vault)
                return try vault.store.withOwnReader { database in
                    let head = try LogHead.read(database)
                    var rows: Int64 = 0
                    try make(copy, vault.id, begun) { transaction in
                        do {
                            rows = try RowCopy(configuration.ledger).run(
                                from: database, to: transaction, progress: progress)
                        } catch {
                            // Of the one engine or of the other, which says what its own errors mean.
                            let said = vault.store.translate(error)
                            throw said.code == .internalError ? error : said
                        }
                        try check(transaction.database, is: head)
                        try refuseServed(vault)
                        let now = try vault.store.withOwnReader { try LogHead.read($0) }
                        guard now.size == head.size, now.root == head.root else { throw written }
                        guard case .postgres = target else { return }
                        try transaction.apply([
                            MoveMark.isCopied.write(rows: rows, logSize: head.size, at: begun)
                        ])
                    }
                    return (rows, head, vault.path, copy)
                }
            }
        } catch {
            await vault.close()
            throw vault.store.translate(error)
        }
        await vault.close()
        return result
    }

    /// Makes the tables at the new place, and what `body` puts into them.
    private func make(
        _ copy: MovedCopy, _ vault: VaultID, _ now: VaultInstant,
        _ body: (any StoreTransaction) throws -> Void
    ) throws {
        switch copy.place {
        case .file(let path):
            do { try SQLiteStore.create(at: path, at: now, body) } catch {
                unlink(path + ".lock")
                throw error
            }
        case .postgres(let service):
            let store = try PostgresStore.create(
                at: PostgresPlace(service: service), isSingle: isSingle, logger: configuration.logger,
                at: now, replacing: vault, body)
            try store.close()
        }
    }

    /// Before the copy is committed: its tree has the root that was read.
    private func check(_ copy: Database, is head: LogHead) throws {
        let found = try LogHead.read(copy)
        guard found.size == head.size, found.root == head.root,
            try head.size == 0 || StoredLog(copy).subtrees.root(over: 0..<UInt64(head.size)) == head.root
        else {
            throw VaultError(
                .integrity, "The log at the new place does not have the root of the one that was copied.",
                remedy: "Verify the audit log of the vault, then begin again.")
        }
    }

    private func refuseServed(_ vault: Vault) throws {
        guard try vault.store.isServed() else { return }
        throw VaultError(
            .busy, "A service uses the vault at \(source).",
            remedy: "Stop every service that uses it, on every machine, then begin again.")
    }

    private var written: VaultError {
        VaultError(
            .busy, "The vault at \(source) was written while it was copied; the copy was dropped.",
            remedy: "Stop every service and command that uses it, then begin again.")
    }

    /// Verifies every row of the copy; its log has only grown by opening it.
    private func prove(
        _ vault: Vault, _ head: LogHead, _ progress: @escaping @Sendable (Double) -> Void
    ) async throws {
        let isSame = try await vault.scan { database, _ in
            try LogHead.read(database).extends(head, in: database)
        }
        guard isSame else {
            throw VaultError(.integrity, "Its log does not begin with the log that was copied.")
        }
        let report = try await vault.log.verify(comparesAnchors: false, progress: progress)
        guard report.isIntact else {
            let what = report.findings.first.map { "\($0.place) \($0.problem)" } ?? "the log"
            throw VaultError(.integrity, "It differs from what its log says (\(what)).")
        }
    }

    /// Closes the vault to all others where it was: what is served there by mistake would grow another end of the log. What
    /// was written since the copy was made is not in it, so that is looked for once more, while nothing can be written.
    ///
    /// - Returns: where the file is now; nil for a database.
    private func leave(_ head: LogHead, _ rows: Int64, _ now: VaultInstant) throws -> String? {
        func look(_ database: Database) throws {
            let found = try LogHead.read(database)
            guard found.size == head.size, found.root == head.root else {
                throw VaultError(.busy, "The vault was written meanwhile; stop everything that uses it.")
            }
        }
        switch source {
        case .file(let named):
            let path = try VaultFile.resolve(named)
            let place = Self.place(for: path, now)
            try SQLiteStore.moveAway(from: path, to: place, look)
            return place
        case .postgres(let service):
            let place = try PostgresPlace(service: service)
            try PostgresStore.moveAway(from: place, rows: rows, logSize: head.size, at: now, look)
            return nil
        }
    }

    /// The name that a file gets.
    private static func place(for path: String, _ begun: VaultInstant) -> String {
        "\(path).moved-\(begun.millisecondsSince1970 / 1000)"
    }
}

extension AuditOperation {
    fileprivate static let vaultMove = AuditOperation(rawValue: "vault.move")
}

extension Vault {
    /// Whether a vault is at a place, or what is there cannot be told.
    package static func mayBe(at place: VaultPlace) -> Bool {
        switch place {
        case .file(let path): access(path, F_OK) == 0
        case .postgres(let service):
            (try? PostgresStore.hasVault(at: PostgresPlace(service: service))) ?? true
        }
    }

    /// Removes a vault that was just made, and closed, because something that belongs to it could not be made.
    ///
    /// - Returns: false, and nothing was removed, where another process serves it already, or another vault is there.
    package static func discard(_ vault: VaultID, at place: VaultPlace) throws -> Bool {
        switch place {
        case .file(let path): try SQLiteStore.discard(at: path)
        case .postgres(let service):
            try PostgresStore.discard(at: PostgresPlace(service: service), vault)
        }
    }
}

/// A vault that was moved.
public struct MoveReceipt: Sendable {
    public let source: VaultPlace
    public let target: VaultPlace
    public let rows: Int64
    /// Entries of the log that were copied.
    public let logSize: Int64
    /// 64 hexadecimal digits.
    public let logRoot: String
    /// Where the old file is now; nil for a database, which is marked: it can no longer be opened.
    public let setAside: String?
    /// Whether an earlier try had left an unfinished copy, which was finished or replaced.
    public let isRepeated: Bool
}
