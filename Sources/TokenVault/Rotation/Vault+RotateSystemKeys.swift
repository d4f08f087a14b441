import GRDB
import MerkleLog
import VaultCore
import VaultCrypto

/// A key of the vault itself that can be replaced while services run.
public enum SystemKeyKind: String, Sendable, CaseIterable {
    /// Seals tokens. Those issued before are accepted until they end.
    case handles
    /// Recognises tokens and client secrets. Grants and secrets keep the key they began with.
    case tags
    /// Finds users, clients and connections by name.
    case lookup
    /// Tags rows.
    case rows
    /// Signs the log. The checkpoint of the change carries both signatures.
    case log
}

extension Vault {
    /// Replaces a key of the vault itself, and whatever was made with it that is not meant to outlive it.
    /// Online and resumable like ``rotateRootKey(progress:)``. A retired key is destroyed once nothing alive
    /// was made with it: at the end for `rows`, otherwise by a later rotation.
    public func rotateSystemKey(
        _ kind: SystemKeyKind, progress: @escaping KeyRotationObserver = { _ in }
    ) async throws -> KeyRotationReport {
        switch kind {
        case .handles: try await replaceKey(.handles, kind)
        case .tags: try await replaceKey(.tags, kind)
        case .log: try await rotateLogKey()
        case .lookup: try await rotateLookupKey(progress)
        case .rows: try await rotateRowKey(progress)
        }
    }

    /// Where nothing has to be written anew.
    private func replaceKey(_ purpose: SystemKeyPurpose, _ kind: SystemKeyKind) async throws
        -> KeyRotationReport
    {
        try await destroyUnusedKeys()
        return try await write { [operatorActor] transaction in
            _ = try transaction.replaceSystemKey(purpose)
            return Audited(
                KeyRotationReport(kind: kind.rawValue, epoch: Int64(transaction.keyring.epoch)),
                .keys(.keyRotate, kind.rawValue, by: operatorActor))
        }
    }

    /// The entry that announces the new key carries the first 16 bytes of SHA-256 over its public half, and the head over
    /// that entry is signed by both: whoever trusts the old key learns the new one from it.
    private func rotateLogKey() async throws -> KeyRotationReport {
        try await write { [operatorActor] transaction in
            let keyring = transaction.keyring
            let signing = SigningKey(seed: try transaction.replaceSystemKey(.logSigning).key)
            guard let signer = NoteSigner(name: keyring.signer.key.name, key: signing) else {
                throw VaultError(.internalError, "The log's origin is not a key name.")
            }
            transaction.cosign(signer)
            _ = try transaction.destroyRetiredKeys(.logSigning) { _, _ in true }
            var event = AuditEvent.keys(.keyRotate, SystemKeyKind.log.rawValue, by: operatorActor)
            event.fingerprint = Array(SHA256.hash(signing.publicKey).bytes.prefix(16))
            return Audited(
                KeyRotationReport(kind: SystemKeyKind.log.rawValue, epoch: Int64(keyring.epoch)), event)
        }
    }

    /// Destroys retired keys that nothing alive was made with.
    @discardableResult
    func destroyUnusedKeys() async throws -> Int {
        try await queue.submit(.finishing) { [operatorActor] transaction in
            guard transaction.clocksAgree else { return (0, []) }
            // Not only the newest tokens of a grant: an older one in the wrong hands has to be recognised, because it
            // revokes the grant, and one whose answer was lost is presented again.
            let today = transaction.now.millisecondsSince1970 / 86_400_000
            var count = try transaction.destroyRetiredKeys(.handles) { _, retiredAt in
                try transaction.isNothing(
                    "SELECT 1 FROM grants WHERE created_at <= ? AND expires_day >= ? LIMIT 1",
                    [SQLValue(retiredAt), .integer(today)])
            }
            count += try transaction.destroyRetiredKeys(.tags) { key, _ in
                let id = [SQLValue.integer(key.keyID)]
                return try transaction.isNothing("SELECT 1 FROM grants WHERE tag_key_id = ? LIMIT 1", id)
                    && transaction.isNothing("SELECT 1 FROM client_secrets WHERE tag_key_id = ? LIMIT 1", id)
                    && transaction.isNothing("SELECT 1 FROM authorization_requests LIMIT 1")
            }
            count += try transaction.destroyRetiredKeys(.lookup) { _, _ in
                try transaction.database.rotationJob("lookup") == nil
                    && transaction.isNothing("SELECT 1 FROM used_assertions LIMIT 1")
            }
            guard count > 0 else { return (0, []) }
            return (count, [.keys(.keyRotate, "unused-destroyed", by: operatorActor, count: count)])
        }
    }
}
