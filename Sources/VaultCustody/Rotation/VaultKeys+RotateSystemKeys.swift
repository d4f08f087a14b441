import Foundation
import MerkleLog
import TokenVault
import VaultCore
import VaultCrypto
import VaultStore

/// A key of the vault itself that can be replaced while services run.
public enum SystemKeyKind: String, Sendable, CaseIterable {
    /// Seals tokens. Those issued before are accepted until they end.
    case handles
    /// Recognises tokens and client secrets. Grants and secrets keep the key they began with.
    case tags
    /// Finds users, clients and connections by name.
    case lookup
    /// Tags rows, and computes the registry hash.
    case rows
    /// Signs the log. The checkpoint of the change carries both signatures.
    case log
}

extension VaultKeys {
    /// Replaces a key of the vault itself, and writes again what must not outlive it.
    /// Online and resumable like ``rotateRoot(progress:)``. A retired key is destroyed once nothing alive
    /// was made with it: at the end for `rows`, otherwise by a later rotation.
    public func rotate(
        _ kind: SystemKeyKind, progress: @escaping KeyRotationObserver = { _ in }
    ) async throws -> KeyRotationReport {
        _ = try vault.keyring.root
        return switch kind {
        case .handles: try await replaceKey(.handles, kind)
        case .tags: try await replaceKey(.tags, kind)
        case .log: try await rotateLogKey()
        case .lookup: try await rotateLookupKey(progress)
        case .rows: try await rotateRowKey(progress)
        }
    }

    /// Where nothing has to be written again.
    private func replaceKey(_ purpose: SystemKeyPurpose, _ kind: SystemKeyKind) async throws
        -> KeyRotationReport
    {
        try await destroyUnusedKeys()
        return try await vault.write { transaction in
            for role in purpose.roles { _ = try transaction.replaceSystemKey(purpose, role) }
            return Audited(
                KeyRotationReport(kind.rawValue, transaction.keyring),
                AuditEvent(.keyRotate, by: vault.operatorActor, reason: kind.rawValue))
        }
    }

    /// The entry that announces the new key carries the first 16 bytes of SHA-256 over its public half, and the head over
    /// that entry is signed by both: a holder of the old key learns the new one from it.
    private func rotateLogKey() async throws -> KeyRotationReport {
        try await vault.write { transaction in
            let signing = SigningKey(seed: try transaction.replaceSystemKey(.logSigning).key)
            guard let signer = NoteSigner(name: transaction.keyring.signer.key.name, key: signing) else {
                throw VaultError(.internalError, "The log's origin is not a key name.")
            }
            transaction.cosign(signer)
            _ = try transaction.destroyRetiredKeys(.logSigning) { _, _ in true }
            var event = AuditEvent(.keyRotate, by: vault.operatorActor, reason: SystemKeyKind.log.rawValue)
            event.fingerprint = Array(SHA256.hash(signing.publicKey).bytes.prefix(16))
            return Audited(KeyRotationReport(SystemKeyKind.log.rawValue, transaction.keyring), event)
        }
    }

    /// Destroys retired keys that nothing alive was made with.
    @discardableResult
    func destroyUnusedKeys() async throws -> Int {
        try await vault.queue.submit(.finishing) { transaction in
            guard transaction.clocksAgree else { return .unchanged(0) }
            // Not only the newest tokens of a grant: an older one in the wrong hands has to be recognised, because it
            // revokes the grant, and one whose answer was lost is presented again.
            let today = transaction.now.millisecondsSince1970 / 86_400_000
            var unused = try transaction.retiredKeys(.handles, .issuer) { _, retiredAt in
                try !transaction.database.finds(
                    "SELECT 1 FROM grants WHERE created_at <= ? AND expires_day >= ? LIMIT 1",
                    [SQLValue(retiredAt), .integer(today)])
            }
            unused += try transaction.retiredKeys(.tags, .issuer) { key, _ in
                let id = [SQLValue.integer(key.keyID)]
                return try ["grants", "client_secrets"].allSatisfy { table in
                    try !transaction.database.finds("SELECT 1 FROM \(table) WHERE tag_key_id = ? LIMIT 1", id)
                }
            }
            unused += try transaction.retiredKeys(.tags, .keeper) { _, _ in
                try !transaction.database.finds("SELECT 1 FROM authorization_requests LIMIT 1")
            }
            unused += try transaction.retiredKeys(.lookup) { _, _ in
                try transaction.database.rotationJob("lookup") == nil
                    && !transaction.database.finds("SELECT 1 FROM used_assertions LIMIT 1")
            }
            guard !unused.isEmpty else { return .unchanged(0) }
            for row in unused { try transaction.delete(.systemKeys, id: row.id) }
            return Audited(
                unused.count,
                AuditEvent(
                    .keyRotate, by: vault.operatorActor, reason: "unused-destroyed", count: unused.count))
        }
    }
}

extension WriteTransaction {
    /// Makes a new current key for one purpose of a role; the one before stays, retired, for what was made with it.
    ///
    /// - Throws: ``VaultError/Code/denied`` when all 255 ids are taken.
    func replaceSystemKey(_ purpose: SystemKeyPurpose, _ role: KeyRole = .common) throws -> SystemKey {
        let rows = try systemKeys(purpose, role)
        let taken = Set(rows.map(\.keyID))
        let newest = rows.map(\.keyID).max() ?? 0
        guard
            let keyID = (newest + 1...newest + 255).map({ ($0 - 1) % 255 + 1 }).first(where: {
                !taken.contains($0)
            })
        else {
            throw VaultError(
                .denied, "All 255 keys of this purpose are still in use.",
                remedy: "Wait until everything made with the oldest has expired.")
        }
        for var row in rows where row.state == .current {
            row.state = .retired
            try update(row)
        }
        let key = SystemKey(
            purpose: purpose, role: role, keyID: UInt8(truncatingIfNeeded: keyID), isCurrent: true,
            key: .random())
        try insert(
            SystemKeyRow(
                id: next(\.nextKeyID), key, under: try keyring.roleKeys.current(role), vault: keyring.vault,
                // The end of the one before: not earlier than anything made with that, though the clock was set back.
                createdAt: max(now, committed.lastTime)))
        return key
    }

    /// Replaces the key that sums up the rows of the registry. Nothing else was made with it, so the one before goes at once.
    fileprivate func renewRowSet() throws {
        renewedRowSet = RowSetKey(try replaceSystemKey(.rowSet).key)
        _ = try destroyRetiredKeys(.rowSet) { _, _ in true }
    }

    /// Destroys retired keys of one purpose of a role that nothing alive was made with.
    ///
    /// - Returns: how many.
    func destroyRetiredKeys(
        _ purpose: SystemKeyPurpose, _ role: KeyRole = .common,
        where isUnused: (SystemKeyRow, VaultInstant) throws -> Bool
    ) throws -> Int {
        let unused = try retiredKeys(purpose, role, where: isUnused)
        for row in unused { try delete(.systemKeys, id: row.id) }
        return unused.count
    }

    /// Retired keys of one purpose of a role that nothing alive was made with.
    fileprivate func retiredKeys(
        _ purpose: SystemKeyPurpose, _ role: KeyRole = .common,
        where isUnused: (SystemKeyRow, VaultInstant) throws -> Bool
    ) throws -> [SystemKeyRow] {
        let rows = try systemKeys(purpose, role)
        return try zip(rows, rows.dropFirst())
            .filter { try $0.state == .retired && isUnused($0, $1.createdAt) }.map(\.0)
    }

    private func systemKeys(_ purpose: SystemKeyPurpose, _ role: KeyRole) throws -> [SystemKeyRow] {
        try query(SystemKeyRow.self).filter { $0.purpose == purpose && $0.role == role }
    }
}

extension VaultKeys {
    /// A new lookup key: every name is tagged again from its sealed spelling. Until that is done both keys
    /// find.
    func rotateLookupKey(_ progress: @escaping KeyRotationObserver) async throws -> KeyRotationReport {
        try await destroyUnusedKeys()
        let (begun, job) = try await vault.queue.submit(.newWork) { transaction in
            let keyring = transaction.keyring
            if let job = try transaction.database.rotationJob("lookup") {
                return .unchanged((KeyRotationReport("lookup", keyring, isResumed: true), job))
            }
            let key = try transaction.replaceSystemKey(.lookup)
            let job = RotationJob(kind: "lookup", step: 0, number: Int64(key.keyID))
            try transaction.keep(job)
            return Audited(
                (KeyRotationReport("lookup", keyring), job),
                AuditEvent(.keyRotate, by: vault.operatorActor, reason: "lookup-begun"))
        }
        var report = begun
        for table in ["owners", "clients", "connections"] {
            report.rewritten += try await RotationSweep(
                vault: vault, table: table, reason: "lookup"
            ).run(progress) { try $0.retagLookup(of: $1, in: table) }
        }
        try await vault.queue.submit(.finishing) { transaction in
            guard try transaction.isStill(job) else { return .unchanged(()) }
            try transaction.keep(job, isOver: true)
            return Audited((), AuditEvent(.keyRotate, by: vault.operatorActor, reason: "lookup-done"))
        }
        try await destroyUnusedKeys()
        return report
    }
}

extension WriteTransaction {
    /// - Returns: false when the row is tagged by the present key already, or by none.
    fileprivate func retagLookup(of id: Int64, in table: String) throws -> Bool {
        switch table {
        case "owners":
            guard var row = try load(OwnerRow.self, id)?.row, row.lookupTag != nil,
                let owner = try owner(OwnerID(id))
            else { return false }
            let tag = try owner.lookupTag(keyring)
            guard tag != row.lookupTag else { return false }
            row.lookupTag = tag
            try update(row)
        case "clients":
            guard var row = try load(ClientRow.self, id)?.row, row.nameTag != nil,
                let client = try client(OwnerID(id))
            else { return false }
            let tag = keyring.lookup.tag(.clientName, of: Array(client.registration.name.utf8))
            guard tag != row.nameTag else { return false }
            row.nameTag = tag
            try update(row)
        default:
            guard let row = try load(ConnectionRow.self, id)?.row, let owner = try owner(row.owner) else {
                return false
            }
            let label = try row.details(owner, keyring).label
            let tag = keyring.connectionTags(row.provider, row.owner, label)[0]
            guard tag != row.lookupTag else { return false }
            let subject = try row.subject(owner, keyring)
            try replace(.connections, id: id) { columns in
                columns["lookup_tag"] = .blob(tag)
                columns["subject_tag"] = SQLValue(
                    subject.map { keyring.subjectTag(row.provider, $0.subject) })
            }
        }
        return true
    }
}

extension Owner {
    fileprivate func lookupTag(_ keyring: Keyring) throws -> [UInt8] {
        let identity = try identity(keyring)
        guard row.kind == .client else { return keyring.lookup.tag(.userName, of: UserName.folded(identity)) }
        let client = try JSONDecoder().decode(ClientIdentity.self, from: Data(identity))
        return keyring.lookup.tag(.clientID, of: Array(client.clientID.utf8))
    }
}

extension VaultKeys {
    /// New keys for row tags, one for each role: every row is tagged again. Tags are outside the log, so no entry names the
    /// rows.
    func rotateRowKey(_ progress: @escaping KeyRotationObserver) async throws -> KeyRotationReport {
        let (begun, keyIDs) = try await vault.queue.submit(.newWork) { transaction in
            let keyring = transaction.keyring
            guard !keyring.rows.isRotating else {
                return .unchanged(
                    (KeyRotationReport("rows", keyring, isResumed: true), keyring.rows.currentIDs))
            }
            let keys = try SystemKeyPurpose.rows.roles.map { try transaction.replaceSystemKey(.rows, $0) }
            try transaction.renewRowSet()
            return Audited(
                (KeyRotationReport("rows", keyring), keys.map(\.keyID)),
                AuditEvent(.keyRotate, by: vault.operatorActor, reason: "rows-begun"))
        }
        var report = begun
        // Every process must tag by the new key before rows count as done: each reads keys in its next transaction.
        for layout in TableLayout.tagged {
            report.rewritten += try await RotationSweep(vault: vault, table: layout.name, rowsPerBody: 100)
                .run(progress) { try $0.retag(layout, $1) }
        }
        let isProved = try await vault.study { database, keys in
            let current = keys.keyring.rows.current
            // Another operator ended this rotation and began the next, which is not ours to judge.
            guard current.currentIDs == keyIDs else { return false }
            for layout in TableLayout.tagged { try database.forEachTagged(layout, current) { _ in } }
            return true
        }
        guard isProved else { return report }
        try await vault.queue.submit(.finishing) { transaction in
            let rows = transaction.keyring.rows
            guard rows.isRotating, rows.currentIDs == keyIDs else { return .unchanged(()) }
            // Its own row is written by the end of this transaction, because the registry is touched.
            for role in SystemKeyPurpose.rows.roles {
                _ = try transaction.destroyRetiredKeys(.rows, role) { _, _ in true }
            }
            return Audited((), AuditEvent(.keyRotate, by: vault.operatorActor, reason: "rows-done"))
        }
        return report
    }
}

extension WriteTransaction {
    /// - Returns: false when the tag is the present key's already.
    fileprivate func retag(_ layout: TableLayout, _ id: Int64) throws -> Bool {
        guard let row = try stored(layout, id), row.isTagged(by: keyring.rows.current) != true else {
            return false
        }
        try tagAgain(row)
        return true
    }
}
