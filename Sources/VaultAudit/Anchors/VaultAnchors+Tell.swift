import Foundation
import Logging
import SQLiteStore
import Synchronization
import TokenVault
import VaultCore
import VaultCrypto
import VaultStore

/// When each anchor may be tried again, in this process.
final class AnchorTurns: Sendable {
    private struct Turn {
        /// Nothing newer than this is news to it.
        var told: Int64 = 0
        var failures = 0
        var notBefore = Duration.zero
        /// Someone is telling it.
        var isTaken = false
    }

    private let turns = Mutex<[Int64: Turn]>([:])

    /// Takes the turn to tell an anchor of `size` entries, if it is due.
    func take(_ id: Int64, _ size: Int64, told: Int64, at now: Duration, isForced: Bool) -> Bool {
        turns.withLock { turns in
            var turn = turns[id] ?? Turn()
            let isDue = max(turn.told, told) < size && now >= turn.notBefore
            guard !turn.isTaken, isDue || isForced else { return false }
            turn.isTaken = true
            turns[id] = turn
            return true
        }
    }

    /// Gives the turn back; after failures the next comes later and later, up to a minute.
    ///
    /// - Parameter pause: before the next, after one that went well.
    func giveBack(_ id: Int64, told size: Int64?, at now: Duration, pause: Duration = .zero) {
        turns.withLock { turns in
            var turn = turns[id] ?? Turn()
            turn.isTaken = false
            if let size {
                turn = Turn(told: size, notBefore: now + pause)
            } else {
                turn.failures += 1
                turn.notBefore = now + .seconds(1 << min(6, turn.failures))
            }
            turns[id] = turn
        }
    }
}

extension VaultAnchors {
    private var anchorTurns: AnchorTurns { vault.companion(AnchorTurns()) }

    /// Publishes the newest checkpoint to the anchors that do not have it. Takes as long as the slowest of
    /// them, some seconds at most but for a file system that hangs. What fails is counted with the anchor and
    /// thrown nowhere.
    ///
    /// - Parameter isForced: also to those that have it, or failed a moment ago.
    /// - Throws: ``VaultError/Code/integrity`` when the list of anchors is damaged; storage trouble.
    public func publishCheckpoint(
        _ kinds: Set<AnchorKind> = Set(AnchorKind.allCases), isForced: Bool = false
    ) async throws {
        let told = try await tellEach(kinds, isForced: isForced)
        guard !told.isEmpty else { return }
        try await note(told)
    }

    /// What became of telling an anchor.
    struct Told: Sendable {
        let anchor: AnchorRow
        /// Entries it has now.
        let outcome: Result<Int64, any Error>
        /// Of a witness.
        var cosigned: CosignedCheckpoint?
    }

    /// Publishes to anchors, and leaves it to the caller to ``note(_:)`` the outcome.
    func tellEach(_ kinds: Set<AnchorKind>, isForced: Bool) async throws -> [Told] {
        let now = vault.clock.monotonic()
        let due: [(row: AnchorRow, told: Int64)] = try await vault.snapshot { database, keys in
            guard try database.hasAnchors() else { return [] }
            let size = try LogHead.read(database).size
            return try database.anchors(keys.keyring).compactMap { row in
                let told = try database.anchorProgress(row.id)?.size ?? 0
                // A process that has no way to ask witnesses leaves them to those that have.
                let isTaken =
                    kinds.contains(row.kind) && (row.kind != .witness || witnesses != nil || isForced)
                    && anchorTurns.take(row.id, size, told: told, at: now, isForced: isForced)
                return isTaken ? (row, told) : nil
            }
        }
        return await withTaskGroup { group in
            for (row, told) in due { group.addTask { await self.tell(row, told: told) } }
            return await group.reduce(into: []) { $0.append($1) }.sorted { $0.anchor.id < $1.anchor.id }
        }
    }

    func note(_ told: [Told]) async throws {
        try await vault.housekeep { transaction in
            for told in told {
                transaction.note(told.outcome.mapError { AnchorTrouble($0) }, of: told.anchor.id)
            }
        }
    }

    private func tell(_ row: AnchorRow, told: Int64) async -> Told {
        let result: Told
        do {
            // A copy of the vault somewhere else must not speak for it.
            guard row.vaultPath == vault.path else { throw AnchorTrouble("moved") }
            if row.kind == .witness {
                result = await ask(row, told: told)
            } else {
                let size = try await BlockingThread.result { try deliver(to: row) }
                result = Told(anchor: row, outcome: .success(size))
            }
        } catch { result = Told(anchor: row, outcome: .failure(error)) }
        anchorTurns.giveBack(
            row.id, told: try? result.outcome.get(), at: vault.clock.monotonic(),
            pause: row.kind == .witness ? Limits.witnessPause : .zero)
        return result
    }

    /// On a thread of its own.
    ///
    /// - Returns: the size of the checkpoint that the anchor has.
    private func deliver(to row: AnchorRow) throws -> Int64 {
        switch row.kind {
        case .file: return try deliver(toFile: row)
        case .witness: throw AnchorTrouble("failed")
        case .exec:
            let head = try vault.snapshotInPlace { database, _ in try LogHead.read(database) }
            try NoteProgram.check(row.target)
            do throws(NoteProgram.Failure) {
                try NoteProgram.tell(Array(head.note.utf8), to: row.target, within: Limits.anchorDeadline)
            } catch { throw AnchorTrouble(error.rawValue) }
            return head.size
        }
    }

    /// Replaces only what the log goes on from: what speaks against this database is evidence, and stays.
    private func deliver(toFile row: AnchorRow) throws -> Int64 {
        let file = try draft(of: row.target)
        let reading = AnchorReading(row.target)
        let (head, trouble) = try vault.snapshotInPlace { database, keys in
            (try LogHead.read(database), try AnchorComparison(row, reading, database, keys.keyring).trouble)
        }
        if let trouble { throw trouble }
        try file.replace(by: head.note)
        return head.size
    }

    /// Another process that tells the same anchor, as a service does every second, is done in a moment.
    private func draft(of path: String) throws -> DraftFile {
        for _ in 0..<20 {
            do { return try DraftFile.note(at: path) } catch let error as VaultError where error.code == .busy
            {
                usleep(50_000)
            }
        }
        return try DraftFile.note(at: path)
    }
}

extension WriteTransaction {
    /// Upkeep without a leaf; nothing where the anchor was removed meanwhile.
    fileprivate func note(_ outcome: Result<Int64, AnchorTrouble>, of id: Int64) {
        let start = "INSERT INTO anchor_progress SELECT id, "
        let end = " FROM anchors WHERE id = ? ON CONFLICT (id) DO UPDATE SET "
        let (sets, values): (String, [SQLValue]) =
            switch outcome {
            case .success(let size):
                (
                    "?, ?, 0, NULL" + end
                        + "size = excluded.size, anchored_at = excluded.anchored_at, failures = 0, trouble = NULL",
                    [.integer(size), SQLValue(now)]
                )
            case .failure(let trouble):
                (
                    "0, created_at, 1, ?" + end
                        + "failures = anchor_progress.failures + 1, trouble = excluded.trouble",
                    [.text(trouble.word)]
                )
            }
        put(RowWrite(start + sets, values + [.integer(id)]))
    }
}
