import GRDB
import VaultCore
public import VaultCrypto

extension Vault {
    /// Replaces every key there is: after a disclosure of keys, or of a database with the key of a keyslot that was removed.
    ///
    /// New root key, new keyslots from their sources, new system keys, a new key for every owner, and every record sealed
    /// again. Online and resumable; the time grows with the number of records. Tokens stay valid: anyone who read them can
    /// still use them, so revoke grants as well when that is what happened. Sign-in sessions end. A service that opened the vault by a
    /// passphrase has to be started again.
    ///
    /// - Parameters:
    ///   - source: what opened this vault.
    ///   - others: the sources of the other keyslots; recovery keys need none.
    /// - Throws: ``VaultError/Code/denied`` naming keyslots that nothing given opens, ``VaultError/Code/integrity``
    ///   naming those that are not what the log says; nothing was changed then.
    public func rotateDeeply(
        openedBy source: KeySource, others: [KeySource] = [],
        progress: @escaping KeyRotationObserver = { _ in }
    ) async throws -> KeyRotationReport {
        var report = try await beginDeepRotation([source] + others)
        while let job = try store.readers().read({ try $0.rotationJob("deep") }) {
            report.rewritten += try await run(job, progress)
            var next = job
            next.step += 1
            try await queue.submit(.finishing) { [next, operatorActor] transaction in
                // Another operator may have taken the step meanwhile.
                guard try transaction.isStill(job) else { return ((), []) }
                let isOver = next.step >= Self.deepSteps
                try transaction.keep(next, isOver: isOver)
                return ((), isOver ? [AuditEvent(.keyRotate, by: operatorActor, reason: "deep-done")] : [])
            }
        }
        try await truncateWAL()
        return report
    }

    private static let deepSteps = 9

    /// Each step may run twice.
    private func run(_ job: RotationJob, _ progress: @escaping KeyRotationObserver) async throws -> Int64 {
        switch job.step {
        case 0: return try await finishRootRotation(progress)
        case 1: return try await rotateSystemKey(.rows, progress: progress).rewritten
        case 2: return try await rotateSystemKey(.lookup, progress: progress).rewritten
        case 3: return try await rotateSystemKey(.handles, progress: progress).rewritten
        case 4: return try await rotateSystemKey(.tags, progress: progress).rewritten
        case 5: return try await rotateSystemKey(.log, progress: progress).rewritten
        case 6: return try await renewOwnerKeys(job, progress)
        case 7: return try await resealRecords(progress)
        default:
            try await proveRecords(job, progress)
            try await destroyPreviousOwnerKeys(job)
            return 0
        }
    }

    private func beginDeepRotation(_ sources: [KeySource]) async throws -> KeyRotationReport {
        // Once more when keyslots or the root key were changed between the look at them and the first transaction.
        for _ in 0..<3 {
            if try store.readers().read({ try $0.rotationJob("deep") }) != nil {
                var report = KeyRotationReport(kind: "deep", epoch: Int64(keyring.epoch))
                report.isResumed = true
                return report
            }
            // A rotation of the root key alone that was interrupted is finished first.
            _ = try await finishRootRotation { _ in }
            if let report = try await tryDeepRotation(sources) { return report }
        }
        throw VaultError(
            .busy, "Keyslots or the root key are being changed by somebody else again and again.",
            remedy: "Run the command again when that is over; nothing of a deep rotation was done.")
    }

    /// - Returns: nil, and nothing was done, when someone else was faster with the root key or with a keyslot.
    private func tryDeepRotation(_ sources: [KeySource]) async throws -> KeyRotationReport? {
        let (slots, epoch) = try snapshot { database, keys in
            (try StoredKeyslot.all(database, keys.keyring), keys.keyring.epoch + 1)
        }
        let root = GuardedKey.random()
        let made = try await BlockingThread.result { [id] in
            try Self.remake(slots, from: sources, root, epoch, id)
        }
        let seen = slots.map(\.identity)
        do {
            let report = try await beginRootRotation(kind: "deep", root: root) {
                transaction, root, newEpoch in
                // A slot that was added meanwhile would only be wrapped by the key held of it, and anyone who has that key
                // would be let in by the new slot as by the old one.
                let present = try StoredKeyslot.all(transaction.database, transaction.keyring)
                guard newEpoch == epoch, present.map(\.identity) == seen else { throw Self.overtaken }
                try transaction.replaceKeyslots(by: made, root, epoch)
                try transaction.rewrapKeyslots(to: root, epoch: epoch, oldRoot: transaction.keyring.root)
                try transaction.keep(
                    RotationJob(
                        kind: "deep", step: 0, lastOwner: transaction.vault.nextOwnerID - 1,
                        number: Int64(epoch)))
            }
            return report.isResumed ? nil : report
        } catch let error as VaultError where error == Self.overtaken { return nil }
    }

    private static let overtaken = VaultError(.registryChanged, "Keyslots were changed meanwhile.")

    /// A new slot for each but recovery slots, which are sealed again to their public key.
    private static func remake(
        _ slots: [StoredKeyslot], from sources: [KeySource], _ root: GuardedKey, _ epoch: UInt32,
        _ vault: VaultID
    ) throws -> [RemadeKeyslot] {
        var unopened: [String] = []
        var made: [RemadeKeyslot] = []
        for slot in slots where slot.row.record.kind != .recoveryKey {
            guard let source = sources.first(where: { Self.opens($0, slot.row.record, vault) }) else {
                unopened.append(slot.name)
                continue
            }
            made.append(
                RemadeKeyslot(
                    old: slot.row.id, name: slot.name,
                    new: try ProvedKeyslot(source, source, root, epoch, vault)))
        }
        guard unopened.isEmpty else { throw VaultError.unopenedKeyslots(unopened) }
        return made
    }

    static func opens(_ source: KeySource, _ record: KeyslotRecord, _ vault: VaultID) -> Bool {
        Keyslot.accepts(source, record) && (try? Keyslot.unlock(record, with: source, vault: vault)) != nil
    }
}

/// A keyslot that was made again from its source, for the next root key.
struct RemadeKeyslot: Sendable {
    let old: Int64
    let name: String
    let new: ProvedKeyslot
}

extension WriteTransaction {
    /// The new slot takes the place and the name of the old one.
    fileprivate func replaceKeyslots(
        by made: [RemadeKeyslot], _ root: GuardedKey, _ epoch: UInt32
    ) throws {
        for slot in made {
            if try load(KeyslotDetailsRow.self, slot.old) != nil { try delete(.keyslotDetails, id: slot.old) }
            try delete(.keyslots, id: slot.old)
            var details = try add(slot.new, named: slot.name).details
            details?.hold(
                slot.new.slotKey, of: slot.new.record.kind, under: root, epoch: epoch, vault: keyring.vault)
            if let details { try update(details) }
        }
    }
}

/// New keys for owners, and every record sealed again: the part of a deep rotation that touches each record.
///
/// 1. every owner gets a new key; the one before is kept beside it, so that all its records still open;
/// 2. every record is sealed again; 3. that each opens with the new keys alone is proved; 4. the keys before are destroyed.
extension Vault {
    func renewOwnerKeys(_ job: RotationJob, _ progress: @escaping KeyRotationObserver) async throws -> Int64 {
        try await RotationSweep(
            vault: self, table: "owners",
            condition: """
                id <= ? AND wrapped_key IS NOT NULL AND id NOT IN (SELECT id FROM previous_owner_keys)
                """,
            values: [.integer(job.lastOwner ?? .max)], rowsPerBody: Limits.rowsPerLeaf / 2,
            reason: "new-owner-keys", job: job
        ).run(progress) { try $0.renewKey(of: OwnerID($1)) }
    }

    func resealRecords(_ progress: @escaping KeyRotationObserver) async throws -> Int64 {
        var written: Int64 = 0
        for table in SealedColumns.all {
            written += try await RotationSweep(vault: self, table: table.layout.name, reason: "sealed-anew")
                .run(progress) { try $0.reseal(table, $1) }
        }
        return try await written
            + RotationSweep(
                vault: self, table: "(SELECT DISTINCT id FROM audit_personal)", phase: "audit_personal",
                rowsPerBody: 100
            )
            .run(progress) { try $0.resealPersonalData($1) }
    }

    /// Opens every record with the present keys alone.
    ///
    /// - Throws: ``VaultError/Code/integrity`` naming the first that does not open.
    func proveRecords(_ job: RotationJob, _ progress: @escaping KeyRotationObserver) async throws {
        try await BlockingThread.result { [store, keys] in
            try store.withOwnReader { database in
                // Another operator ended this rotation, and maybe began the next, which is not ours to judge.
                guard try database.rotationJob(job.kind) == job else { return }
                try Trial.openRecords(of: database, keys.keys(for: database).keyring, progress)
            }
        }
    }

    func destroyPreviousOwnerKeys(_ job: RotationJob) async throws {
        _ = try await RotationSweep(
            vault: self, table: "previous_owner_keys", reason: "keys-destroyed", job: job
        ).run({ _ in }) { transaction, id in
            try transaction.delete(.previousOwnerKeys, id: id)
            return true
        }
    }
}

extension WriteTransaction {
    fileprivate func renewKey(of id: OwnerID) throws -> Bool {
        guard let owner = try database.owner(id, keyring),
            try load(PreviousOwnerKeyRow.self, id.rawValue) == nil
        else { return false }
        let key = OwnerKey(version: owner.key.version + 1, key: .random())
        try insert(
            PreviousOwnerKeyRow(
                id: id, keyVersion: owner.row.keyVersion, keyEpoch: Int64(keyring.epoch),
                wrappedKey: KeyWrap.wrap(
                    owner.key.key, under: keyring.root, epoch: keyring.epoch,
                    for: Keyring.wrapContext(keyring.vault, previousKeyOf: id))))
        try update(owner.rekeyed(key, keyring))
        return true
    }

    fileprivate func reseal(_ table: SealedColumns, _ id: Int64) throws -> Bool {
        let found = try database.firstRow(table.layout.selectByID, [.integer(id)]) {
            try StoredRow(reading: $0, table.layout, rowKey: keyring.rows)
        }
        guard let row = found, let owner = try owner(table.owner(of: row)) else { return false }
        var columns = row.columns
        var isChanged = false
        for field in table.fields {
            let index = Int(table.layout.columnNumber(field.column)) - 1
            guard case .blob(let sealed) = columns[index],
                SealedField.ownerKeyVersion(of: sealed) != owner.key.version
            else { continue }
            columns[index] = .blob(
                try SealedField.reseal(sealed, with: owner.key, for: table.context(field, of: row, keyring)))
            isChanged = true
        }
        if isChanged { try rewrite(table.layout, id: id, columns) }
        return isChanged
    }

    /// Outside the tree, so no entry names it; the commitment inside the sealed bytes stays what it was.
    fileprivate func resealPersonalData(_ leaf: Int64) throws -> Bool {
        var isChanged = false
        for part in [PersonalPart.subject, .actor] {
            guard let record = try PersonalRecord.read(leaf, part, database),
                let owner = try owner(record.owner),
                SealedField.ownerKeyVersion(of: record.sealed) != owner.key.version
            else { continue }
            let sealed = try SealedField.reseal(record.sealed, with: owner.key, for: record.context(keyring))
            try database.run(
                "UPDATE audit_personal SET sealed = ? WHERE id = ? AND part = ?",
                [.blob(sealed), .integer(leaf), .integer(Int64(part.rawValue))])
            isChanged = true
        }
        if isChanged { noteUnloggedChange() }
        return isChanged
    }
}
