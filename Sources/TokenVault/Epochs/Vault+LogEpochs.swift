import GRDB
import MerkleLog
import VaultCore
import VaultCrypto

extension Vault {
    /// Draws a key for the log's head and announces it; the one before it seals the log, and the new key with
    /// it. The new key signs from this very commit on, and the old one nothing more, also where others began
    /// and ended epochs of this process meanwhile: which is which is settled by the writer's thread.
    package func beginLogEpoch() async throws {
        let key = SigningKey.generate()
        try await queue.submit(.finishing) { [operatorActor] transaction in
            // Somebody else of this process began one a moment ago.
            guard !transaction.hasNewEpoch else { return ((), []) }
            guard let signer = NoteSigner(name: transaction.origin, key: key) else {
                throw VaultError(.internalError, "The log's origin is not a key name.")
            }
            let (previous, next) = (
                transaction.epoch, LogEpoch(id: transaction.next(\.nextKeyID), signer: signer)
            )
            try transaction.forgetEpochs(previous)
            try transaction.insert(
                LogEpochRow(id: next.id, publicKey: key.publicKey, firstLeaf: transaction.leaf))
            transaction.changeEpoch(to: next)
            var event = AuditEvent(.logEpoch, by: operatorActor)
            event.reason = previous == nil ? "begin" : "next"
            event.announcedKey = signer.key.vkey
            try event.seal(transaction.committed, with: previous)
            return ((), [event])
        }
    }

    /// The key seals the log and is gone.
    package func endLogEpoch() async throws {
        guard logEpochs.current != nil else { return }
        try await queue.submit(.finishing) { [operatorActor] transaction in
            guard let epoch = transaction.epoch, !transaction.hasNewEpoch else { return ((), []) }
            try transaction.forgetEpochs(epoch)
            transaction.changeEpoch(to: nil)
            var event = AuditEvent(.logEpoch, by: operatorActor)
            event.reason = "end"
            try event.seal(transaction.committed, with: epoch)
            return ((), [event])
        }
    }
}

extension AuditEvent {
    /// The signature over the log as it was before this transaction, and over the key that comes next.
    fileprivate mutating func seal(_ head: LogHead, with epoch: LogEpoch?) throws {
        guard let signer = epoch?.signer else { return }
        seal = try signer.signature(
            of: EpochSeal.text(over: head.checkpoint(named: signer.key.name), next: announcedKey))
        count = Int(head.size)
    }
}

extension WriteTransaction {
    /// Deletes the row of an epoch that ends now, and of those whose process was killed.
    fileprivate func forgetEpochs(_ ended: LogEpoch?) throws {
        let oldest = now.advanced(by: Limits.logEpoch * -2)
        for row in try database.loadAll(LogEpochRow.self, where: "1 ORDER BY id LIMIT 16", [], keyring) {
            let isKilled = try clocksAgree && database.timeOfLeaf(row.firstLeaf).map { $0 < oldest } ?? true
            if row.id == ended?.id || isKilled { try delete(.logEpochs, id: row.id) }
        }
    }
}

extension Database {
    /// Nil where the entry was pruned.
    func timeOfLeaf(_ index: Int64) throws -> VaultInstant? {
        try firstRow("SELECT bytes FROM audit_leaves WHERE id = ?", [.integer(index)]) { row in
            if case .blob(let bytes) = row.value(0) { AuditLeaf.decode(bytes)?.time } else { nil }
        } ?? nil
    }
}
