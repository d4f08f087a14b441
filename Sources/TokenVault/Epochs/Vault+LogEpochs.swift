import GRDB
import MerkleLog
import VaultCore
import VaultCrypto

extension Vault {
    /// Draws a key for the log's head and announces it; the one before it seals the log with its last signature.
    ///
    /// Whatever goes wrong, a key that sealed does not sign again.
    package func beginLogEpoch() async throws {
        let key = SigningKey.generate()
        let previous = logEpochs.current
        let begun: LogEpoch
        do {
            begun = try await write(.finishing) { [operatorActor] transaction in
                guard let signer = NoteSigner(name: transaction.origin, key: key) else {
                    throw VaultError(.internalError, "The log's origin is not a key name.")
                }
                let epoch = LogEpoch(id: transaction.next(\.nextKeyID), signer: signer)
                try transaction.forgetEpochs(previous)
                try transaction.insert(
                    LogEpochRow(id: epoch.id, publicKey: key.publicKey, firstLeaf: transaction.leaf))
                transaction.cosign(signer)
                var event = AuditEvent(.logEpoch, by: operatorActor)
                event.reason = previous == nil ? "begin" : "next"
                event.announcedKey = signer.key.vkey
                try event.seal(transaction.committed, with: previous)
                return Audited(epoch, event)
            }
        } catch {
            // It may have sealed, or not: that cannot be told, so it is over.
            if previous != nil, (error as? VaultError)?.code == .outcomeUnknown { logEpochs.current = nil }
            throw error
        }
        logEpochs.current = begun
    }

    /// The key seals the log and is gone.
    package func endLogEpoch() async throws {
        guard let epoch = logEpochs.current else { return }
        defer { logEpochs.current = nil }
        try await write(.finishing) { [operatorActor] transaction in
            try transaction.forgetEpochs(epoch)
            var event = AuditEvent(.logEpoch, by: operatorActor)
            event.reason = "end"
            try event.seal(transaction.committed, with: epoch)
            return Audited((), event)
        }
    }
}

extension AuditEvent {
    /// The signature over the log as it was before this transaction.
    fileprivate mutating func seal(_ head: LogHead, with epoch: LogEpoch?) throws {
        guard let signer = epoch?.signer else { return }
        seal = try signer.signature(of: head.checkpoint(named: signer.key.name).body)
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
