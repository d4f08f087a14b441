import Foundation
import SQLiteStore
public import TokenVault
import VaultCore
import VaultCrypto
import VaultStore

extension Vault {
    /// The places outside the vault's file that are told of its log.
    public var anchors: VaultAnchors { VaultAnchors(vault: self) }
}

/// Adds, lists and removes the anchors of a vault, and publishes checkpoints to them, so that a cut or older file is found.
///
/// ```swift
/// let anchor = try await vault.anchors.add(.file, target: "/mnt/other-disk/vault.checkpoint")
/// try await vault.anchors.publishCheckpoint()
/// ```
///
/// A ``VaultService`` publishes to them by itself. An opened vault is compared with them by ``LogAnchors``.
public struct VaultAnchors: Sendable {
    package let vault: Vault

    /// Adds a place that gets new checkpoints, and publishes the newest to it. Whether that worked is in the
    /// result, and does not decide whether it is added.
    ///
    /// - Parameter target: an absolute path: of the file that will hold the checkpoint, in a directory that exists, or of
    ///   the program. For a witness see ``addWitness(at:key:keptAt:)``.
    /// - Throws: ``VaultError/Code/invalidInput``, ``VaultError/Code/notFound``, ``VaultError/Code/permissionDenied``,
    ///   ``VaultError/Code/alreadyExists`` (the same anchor, or a file that is no checkpoint),
    ///   ``VaultError/Code/integrity`` (a checkpoint that is not of this log).
    public func add(_ kind: AnchorKind, target: String) async throws -> Anchor {
        try Self.requirePath(target)
        try await BlockingThread.result { try checkTarget(kind, target) }
        return try await add(
            AnchorRow(id: 0, kind: kind, target: target, vaultPath: vault.path, createdAt: vault.clock.now()))
    }

    static func requirePath(_ text: String) throws(VaultError) {
        guard text.hasPrefix("/"), text.utf8.count <= 1024, !text.utf8.contains(where: { $0 < 0x20 }) else {
            throw VaultError(
                .invalidInput, "An anchor needs an absolute path.", remedy: "As in: /mnt/anchor/vault")
        }
    }

    /// Adds it under an id and a time of its own, and tells it.
    func add(_ new: AnchorRow) async throws -> Anchor {
        let id = try await vault.write { transaction in
            let known = try transaction.database.anchors(transaction.keyring)
            guard !known.contains(where: { $0.kind == new.kind && $0.target == new.target }) else {
                throw VaultError(
                    .alreadyExists, "There is already an anchor of this kind at \(new.target).",
                    remedy: "List the anchors.")
            }
            guard known.count < Limits.anchors else {
                throw VaultError(
                    .denied, "A vault has at most \(Limits.anchors) anchors.", remedy: "Remove one first.")
            }
            let row = AnchorRow(
                id: transaction.next(\.nextKeyID), kind: new.kind, target: new.target,
                vaultPath: new.vaultPath, witnessKey: new.witnessKey, keptAt: new.keptAt,
                createdAt: transaction.now)
            try transaction.insert(row)
            var event = AuditEvent(.anchorAdd, by: vault.operatorActor)
            event.reason = new.kind.rawValue
            return Audited(row.id, event)
        }
        try await publishCheckpoint([new.kind], isForced: true)
        return try await anchor(id)
    }

    /// Lists the anchors, oldest first, and how far each is.
    public func list() async throws -> [Anchor] {
        try await vault.snapshot { database, keys in
            let size = try LogHead.read(database).size
            return try database.anchors(keys.keyring).map { row in
                let progress = try database.anchorProgress(row.id)
                let told = progress?.size ?? 0
                return Anchor(
                    id: row.id, kind: row.kind, target: row.target, witnessKey: row.witnessKey,
                    keptAt: row.keptAt, createdAt: row.createdAt, size: told,
                    anchoredAt: told > 0 ? progress?.anchoredAt : nil, failures: progress?.failures ?? 0,
                    trouble: progress?.trouble, lag: max(0, size - told))
            }
        }
    }

    /// Removes an anchor: it gets no more checkpoints and is not compared. Its file stays.
    ///
    /// - Throws: ``VaultError/Code/notFound``.
    public func remove(_ id: Int64) async throws {
        try await vault.write(.finishing) { transaction in
            guard let row = try transaction.load(AnchorRow.self, id)?.row else { throw Self.noAnchor(id) }
            try transaction.delete(.anchors, id: id)
            var event = AuditEvent(.anchorRemove, by: vault.operatorActor)
            event.reason = row.kind.rawValue
            return Audited((), event)
        }
    }

    /// Whether a file anchor is on the vault's own file system, and lost or set back together with it.
    public func isOnSameFileSystem(_ anchor: Anchor) -> Bool {
        var (one, other) = (stat(), stat())
        guard anchor.kind == .file, stat(VaultFile.directory(of: anchor.target), &one) == 0,
            stat(vault.path, &other) == 0
        else { return false }
        return one.st_dev == other.st_dev
    }

    private func anchor(_ id: Int64) async throws -> Anchor {
        guard let anchor = try await list().first(where: { $0.id == id }) else { throw Self.noAnchor(id) }
        return anchor
    }

    private func checkTarget(_ kind: AnchorKind, _ target: String) throws {
        switch kind {
        case .exec: try NoteProgram.check(target)
        case .witness:
            throw VaultError(
                .invalidInput, "A witness needs its verifier key.",
                remedy: "Give the verifier key that the witness publishes.")
        case .file:
            // What keeps us from writing there is said now.
            _ = try DraftFile.note(at: target)
            let reading = AnchorReading(target)
            if case .unreadable = reading {
                throw VaultError(
                    .alreadyExists,
                    "The file at \(target) is not a signed checkpoint, so it is not overwritten.",
                    remedy: "Choose another name.")
            }
            let row = AnchorRow(
                id: 0, kind: kind, target: target, vaultPath: vault.path, createdAt: vault.clock.now())
            let comparison = try vault.snapshotInPlace { try AnchorComparison(row, reading, $0, $1.keyring) }
            guard comparison.problem == nil else {
                throw VaultError(
                    .integrity, "The checkpoint at \(target) is not of this log, or of a newer state of it.",
                    remedy: "Choose another name, or find out which vault wrote it.")
            }
        }
    }

    private static func noAnchor(_ id: Int64) -> VaultError {
        VaultError(.notFound, "There is no anchor \(id).", remedy: "List the anchors.")
    }
}

// MARK: - Rows

extension Database {
    /// Oldest first, their tags checked; without programs where the custody key is not held, which vouches for them.
    func anchors(_ keyring: Keyring) throws -> [AnchorRow] {
        let isWhole = keyring.rows[.custody] != nil
        let condition = isWhole ? "true" : "role = \(KeyRole.common.rawValue)"
        return try loadAll(AnchorRow.self, where: condition + " ORDER BY id", [], keyring)
    }

    func hasAnchors(_ kind: AnchorKind? = nil) throws -> Bool {
        let filter = kind.map { " WHERE kind = '\($0.rawValue)'" } ?? ""
        return try firstRow("SELECT 1 FROM anchors\(filter) LIMIT 1") { _ in true } ?? false
    }

    /// What is kept of telling it: upkeep that nothing vouches for.
    func anchorProgress(
        _ id: Int64
    ) throws -> (size: Int64, anchoredAt: VaultInstant, failures: Int64, trouble: String?)? {
        try firstRow(
            "SELECT size, anchored_at, failures, trouble FROM anchor_progress WHERE id = ?", [.integer(id)]
        ) { row in
            var trouble: String?
            if case .text(let word) = row.value(3) { trouble = word }
            return (
                row.integer(0), VaultInstant(millisecondsSince1970: row.integer(1)), row.integer(2), trouble
            )
        }
    }
}
