import MerkleLog
public import TokenVault
import VaultCore
import VaultCrypto
package import VaultStore

/// One entry with its exact bytes and, where the owner was not erased, the personal data that belongs to it.
public struct AuditDetail: Sendable {
    public let entry: AuditEntry
    /// The bytes as stored and hashed: compact JSON.
    public let leaf: [UInt8]
    /// The personal data; nil if the entry has none or its owner was erased.
    public let personalData: String?
}

extension AuditEntry {
    /// Takes the actor's data from beside the tree, where it opens and is what the entry commits to.
    package mutating func addActor(_ database: Database, _ keyring: Keyring, _ registry: Registry) {
        guard let actorCommitment,
            let record = try? PersonalRecord.read(index, .actor, database), record.owner == .system,
            let data = try? record.open(database, keyring, registry),
            Hex.encode(SHA256.hash(data).bytes) == actorCommitment
        else { return }
        actorDetails = ActorDetails(data.dropFirst(PersonalRecord.saltBytes))
    }
}

extension Vault {
    /// The audit log, which has an entry for every change of the vault.
    public var log: VaultLog { VaultLog(vault: self) }
}

/// Reads, searches, verifies, proves, exports and prunes the audit log of a vault.
///
/// ```swift
/// guard try await vault.log.verify().isIntact else { … }
/// for entry in try await vault.log.entries(limit: 100) { print(entry.wall, entry.operation) }
/// ```
public struct VaultLog: Sendable {
    package let vault: Vault

    /// The log's verifier key (C2SP vkey), with which others check a checkpoint.
    public var verifierKey: String { vault.keyring.signer.key.vkey }

    /// The C2SP signed note over the newest checkpoint.
    public func checkpoint() async throws -> String {
        try await vault.read { try LogHead.read($0).note }
    }

    /// Returns where a reader continues that kept a checkpoint beside the number of its next entry. A restore forks
    /// the log: from the entry on where the backup ends, numbers are used again, for other entries.
    ///
    /// - Parameter note: the signed checkpoint as it was when `next` was noted, or before.
    /// - Returns: `next`, or the smaller number of the entry at which the log forked since.
    /// - Throws: ``VaultError/Code/integrity`` where the log does not go on from the checkpoint, nor a restore says why;
    ///   ``VaultError/Code/invalidInput`` for what is no checkpoint.
    public func continuation(from next: Int64, after note: [UInt8]) async throws -> Int64 {
        guard case .note(let note, let kept) = AnchorReading(note) else {
            throw VaultError(
                .invalidInput, "The file beside the number of the next entry is not a signed checkpoint.",
                remedy: "Remove it, and make sure that the number is of an entry of this log.")
        }
        return try await vault.snapshot { database, keys in
            let keyring = keys.keyring
            var next = next
            if let life = LogHead.incarnation(named: kept.origin, of: keyring.vault),
                let parent = try database.incarnation(after: life, keyring)
            {
                next = min(next, parent.parentSize)
                // Nothing is left to compare the rest with.
                if kept.size > UInt64(parent.parentSize) { return next }
            }
            let comparison = try AnchorComparison(of: note, kept, keptBy: "the reader", database, keyring)
            let size = try LogHead.read(database).size
            guard let problem = comparison.problem ?? (next > size ? "the reader is at entry \(next)" : nil)
            else { return next }
            throw VaultError(
                .integrity, "This log of \(size) entries is not the log that was read: \(problem).",
                remedy:
                    "Put the newest file back. To read this one all the same, remove what the reader kept, and begin where "
                    + "it is to go on.")
        }
    }

    /// Returns up to `limit` entries from index `first` on, oldest first.
    ///
    /// - Throws: ``VaultError/Code/integrity`` when one cannot be read.
    public func entries(from first: Int64 = 0, limit: Int) async throws -> [AuditEntry] {
        try await vault.scan { database, keys in
            try StoredLog(database).entries(from: first, limit: limit) { leaf, bytes in
                var entry = leaf.entry(of: bytes)
                entry.addActor(database, keys.keyring, vault.registry)
                return entry
            }
        }
    }

    /// Returns up to `limit` entries from index `first` on, oldest first, as the bytes that are stored and hashed.
    ///
    /// - Throws: ``VaultError/Code/integrity`` when one cannot be read.
    public func leaves(from first: Int64 = 0, limit: Int) async throws -> [(index: Int64, leaf: [UInt8])] {
        try await vault.scan { database, _ in
            try StoredLog(database).entries(from: first, limit: limit) { ($0.index, Array($1)) }
        }
    }

    /// - Throws: ``VaultError/Code/notFound``, ``VaultError/Code/integrity``.
    public func entry(_ index: Int64) async throws -> AuditDetail {
        try await vault.snapshot { database, keys in
            let keyring = keys.keyring
            guard let bytes = try StoredLog(database).leaf(index) else {
                throw VaultError(
                    .notFound, "The log has no entry \(index).", remedy: "List the newest entries.")
            }
            guard var entry = AuditLeaf.decode(bytes) else { throw StoredLog.unreadable(index) }
            entry.addActor(database, keyring, vault.registry)
            let personal = try PersonalRecord.read(index, .subject, database)?
                .open(database, keyring, vault.registry)
            return AuditDetail(
                entry: entry, leaf: bytes,
                personalData: personal.map {
                    String(decoding: $0.dropFirst(PersonalRecord.saltBytes), as: UTF8.self)
                })
        }
    }
}
