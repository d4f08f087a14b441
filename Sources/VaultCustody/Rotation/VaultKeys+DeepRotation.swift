import TokenVault
import VaultAudit
import VaultCore
public import VaultCrypto
import VaultStore

extension VaultKeys {
    /// Replaces every key: after a disclosure of keys, or of a database with the key of a removed keyslot.
    ///
    /// New root key, new keys of all roles, new keyslots from their sources, new system keys, a new key for every owner, and every record sealed
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
        while let job = try await vault.read({ try $0.rotationJob("deep") }) {
            report.rewritten += try await run(job, progress)
            var next = job
            next.step += 1
            try await vault.queue.submit(.finishing) { [next] transaction in
                // Another operator may have taken the step meanwhile.
                guard try transaction.isStill(job) else { return .unchanged(()) }
                let isOver = next.step >= Self.deepSteps
                try transaction.keep(next, isOver: isOver)
                guard isOver else { return .upkeep(()) }
                return Audited((), AuditEvent(.keyRotate, by: vault.operatorActor, reason: "deep-done"))
            }
        }
        try await vault.truncateWAL()
        return report
    }

    private static let deepSteps = 9

    /// Each step may run twice.
    private func run(_ job: RotationJob, _ progress: @escaping KeyRotationObserver) async throws -> Int64 {
        switch job.step {
        case 0: return try await finishKeyRotation(progress)
        case 1...5:
            let kinds: [SystemKeyKind] = [.rows, .lookup, .handles, .tags, .log]
            return try await rotate(kinds[job.step - 1], progress: progress).rewritten
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
            if try await vault.read({ try $0.rotationJob("deep") }) != nil {
                return KeyRotationReport("deep", vault.keyring, isResumed: true)
            }
            // Another rotation that was interrupted is finished first.
            _ = try await finishKeyRotation { _ in }
            if let report = try await tryDeepRotation(sources) { return report }
        }
        throw VaultError(
            .busy, "Another process keeps changing keyslots or the root key.",
            remedy: "Run the command again later; nothing was changed.")
    }

    /// - Returns: nil, and nothing was done, when another process was faster with the root key or with a keyslot.
    private func tryDeepRotation(_ sources: [KeySource]) async throws -> KeyRotationReport? {
        let (slots, keyring) = try await vault.snapshot { database, keys in
            (try StoredKeyslot.all(database, keys.keyring), keys.keyring)
        }
        let root = GuardedKey.random()
        let (present, next) = (
            try NextKeys(in: keyring), try NextKeys(replacing: KeyRole.own, root: root, in: keyring)
        )
        let made = try await BlockingThread.result {
            try Self.remake(slots, from: sources, present, next, vault.id)
        }
        let seen = slots.map(\.identity)
        vault.liveKeys.expect(root)
        do {
            let report = try await beginKeyRotation("deep") { transaction in
                // A slot that was added meanwhile would only be wrapped by the key held of it, and anyone who has that key
                // would be let in by the new slot as by the old one.
                let found = try StoredKeyslot.all(transaction)
                guard try next.follows(transaction.keyring), found.map(\.identity) == seen else {
                    throw Overtaken()
                }
                try transaction.replaceKeyslots(by: made, next)
                try transaction.rewrapKeyslots(to: next)
                try transaction.keep(
                    RotationJob(
                        kind: "deep", step: 0, lastOwner: transaction.vault.nextOwnerID - 1,
                        number: Int64(next.epoch)))
                return next
            }
            return report.isResumed ? nil : report
        } catch is Overtaken { return nil }
    }

    /// A new slot for each but recovery slots, which are sealed again to their public key.
    private static func remake(
        _ slots: [StoredKeyslot], from sources: [KeySource], _ present: NextKeys, _ next: NextKeys,
        _ vault: VaultID
    ) throws -> [RemadeKeyslot] {
        var unopened: [String] = []
        var made: [RemadeKeyslot] = []
        for slot in slots where slot.row.record.kind != .recoveryKey {
            let record = slot.row.record
            guard let source = sources.first(where: { opens($0, record, present, vault) }),
                let inside = next.inside(record)
            else {
                unopened.append(slot.name)
                continue
            }
            made.append(
                RemadeKeyslot(
                    old: slot.row.id, name: slot.name,
                    new: try ProvedKeyslot(source, source, inside.key, inside.epoch, vault, role: record.role)
                ))
        }
        guard unopened.isEmpty else { throw VaultError.unopenedKeyslots(unopened) }
        return made
    }

    /// Whether a source opens a slot, and what there is in it belongs there.
    static func opens(
        _ source: KeySource, _ record: KeyslotRecord, _ present: NextKeys, _ vault: VaultID
    ) -> Bool {
        guard Keyslot.accepts(source, record), let inside = present.inside(record),
            let opened = try? Keyslot.unlock(record, with: source, vault: vault)
        else { return false }
        return opened.root.isEqual(to: inside.key)
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
    fileprivate func replaceKeyslots(by made: [RemadeKeyslot], _ next: NextKeys) throws {
        for slot in made {
            if try load(KeyslotDetailsRow.self, slot.old) != nil { try delete(.keyslotDetails, id: slot.old) }
            try delete(.keyslots, id: slot.old)
            try add(slot.new, named: slot.name, root: next.root, epoch: next.epoch)
        }
    }
}

/// New keys for owners, and every record sealed again: the part of a deep rotation that touches each record.
///
/// 1. every owner gets a new key; the one before is kept beside it, so that all its records still open;
/// 2. every record is sealed again; 3. that each opens with the new keys alone is proved; 4. the keys before are destroyed.
extension VaultKeys {
    func renewOwnerKeys(_ job: RotationJob, _ progress: @escaping KeyRotationObserver) async throws -> Int64 {
        try await RotationSweep(
            vault: vault, table: "owner_keys", condition: "owner_id <= ? AND previous_version IS NULL",
            values: [.integer(job.lastOwner ?? .max)], rowsPerBody: Limits.rowsPerLeaf / 2,
            reason: "new-owner-keys", job: job
        ).run(progress) { try $0.renewKey($1) }
    }

    func resealRecords(_ progress: @escaping KeyRotationObserver) async throws -> Int64 {
        var written: Int64 = 0
        for table in SealedColumns.all {
            written += try await RotationSweep(vault: vault, table: table.layout.name, reason: "sealed-anew")
                .run(progress) { try $0.reseal(table, $1) }
        }
        return try await written
            + RotationSweep(
                vault: vault, table: "(SELECT DISTINCT id FROM audit_personal) AS p", phase: "audit_personal",
                rowsPerBody: 100
            )
            .run(progress) { try $0.resealPersonalData($1) }
    }

    /// Opens every record with the present keys alone.
    ///
    /// - Throws: ``VaultError/Code/integrity`` naming the first that does not open.
    func proveRecords(_ job: RotationJob, _ progress: @escaping KeyRotationObserver) async throws {
        try await vault.study { database, keys in
            // Another operator ended this rotation, and maybe began the next, which is not ours to judge.
            guard try database.rotationJob(job.kind) == job else { return }
            try Trial.openRecords(of: database, keys.keyring, progress)
        }
    }

    func destroyPreviousOwnerKeys(_ job: RotationJob) async throws {
        _ = try await RotationSweep(
            vault: vault, table: "owner_keys", condition: "previous_version IS NOT NULL",
            reason: "keys-destroyed", job: job
        ).run({ _ in }) { transaction, id in
            guard let row = try transaction.load(OwnerKeyRow.self, id)?.row, row.previous != nil else {
                return false
            }
            try transaction.update(row.current)
            return true
        }
    }
}

extension WriteTransaction {
    fileprivate func renewKey(_ id: Int64) throws -> Bool {
        guard let row = try load(OwnerKeyRow.self, id)?.row, row.previous == nil,
            let owner = try owner(row.owner)
        else { return false }
        let renewed = try row.renewed(keyring)
        try update(renewed)
        if row.role == .common {
            try update(owner.resealed(under: renewed.opened(keyring.roleKeys, keyring.vault), keyring))
        }
        return true
    }

    fileprivate func reseal(_ table: SealedColumns, _ id: Int64) throws -> Bool {
        guard let row = try stored(table.layout, id), let owner = try owner(table.owner(of: row)) else {
            return false
        }
        let key = try owner.key(table.layout.role)
        var columns = row.columns
        var isChanged = false
        for field in table.fields {
            let index = Int(table.layout.columnNumber(field.column)) - 1
            guard case .blob(let sealed) = columns[index],
                SealedField.ownerKeyVersion(of: sealed) != key.version
            else { continue }
            columns[index] = .blob(
                try SealedField.reseal(sealed, with: key, for: table.context(field, of: row, keyring)))
            isChanged = true
        }
        if isChanged { try rewrite(table.layout, id: id, columns) }
        return isChanged
    }

    /// Outside the tree, so no entry names it; the commitment inside the sealed bytes stays what it was.
    fileprivate func resealPersonalData(_ leaf: Int64) throws -> Bool {
        var isChanged = false
        for part in [PersonalPart.subject, .actor] {
            guard let record = try PersonalRecord.read(leaf, part, appliedRows),
                let key = try owner(record.owner)?.key(.common),
                SealedField.ownerKeyVersion(of: record.sealed) != key.version
            else { continue }
            let sealed = try SealedField.reseal(record.sealed, with: key, for: record.context(keyring))
            put(
                RowWrite(
                    "UPDATE audit_personal SET sealed = ? WHERE id = ? AND part = ?",
                    [.blob(sealed), .integer(leaf), .integer(Int64(part.rawValue))]))
            isChanged = true
        }
        return isChanged
    }
}
