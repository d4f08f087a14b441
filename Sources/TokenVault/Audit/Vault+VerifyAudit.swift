import MerkleLog
import VaultCore

extension Vault {
    /// Verifies the log, every live row against it, and the log against what file anchors were told and witnesses
    /// cosigned.
    ///
    /// Reads one snapshot on a connection of its own; writers and other readers go on meanwhile. Memory grows with the
    /// number of live rows, not of entries. Takes two processors where there are two.
    ///
    /// - Parameters:
    ///   - since: a signed checkpoint of this log, kept outside it: that the log begins with it is checked, and then
    ///     only what came since, with the rows it names.
    ///   - progress: called now and then with the share done, 0 to 1.
    /// - Throws: ``VaultError/Code/integrity`` for a checkpoint this log did not sign.
    public func verifyAudit(
        since: String? = nil, progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) async throws -> AuditReport {
        try await verifyAudit(since: since, comparesAnchors: true, progress: progress)
    }

    /// - Parameter comparesAnchors: false for a vault just restored: what was given up is the operator's to decide.
    func verifyAudit(
        since: String? = nil, comparesAnchors: Bool,
        progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) async throws -> AuditReport {
        let witnesses = comparesAnchors ? await askWitnesses() : []
        return try await BlockingThread.result { [store, keys] in
            // Read before the snapshot: what an anchor was told by then is in it.
            let anchors = comparesAnchors ? (try? AnchorComparison.readings(store, keys)) ?? [] : []
            return try store.withOwnReader { database in
                let keyring = try keys.keys(for: database).keyring
                let key = keyring.signer.key
                let checkpoint = try since.map { try Checkpoint.read(Array($0.utf8), signedBy: key) }
                let rows =
                    checkpoint == nil
                    ? try RowScanBeside(store, keyring).source(database, keyring)
                    : { try RowScan(database, keyring) }
                var report = try AuditVerifier(database, key: key, keyring: keyring, progress: progress)
                    .verify(since: checkpoint, rows: rows)
                for anchor in anchors { report.add(anchor.comparison(with: database, keyring)) }
                for witness in witnesses { report.add(witness) }
                return report
            }
        }
    }

    /// Verifies a copy of a vault without its keys: the log against its public key, and the rows against the
    /// log. Writes nothing. What needs keys (row tags, personal data) is not checked.
    ///
    /// - Parameters:
    ///   - verifierKey: the log's C2SP vkey, kept by whoever checks; see ``logVerifierKey``.
    ///   - since: as for ``verifyAudit(since:progress:)``.
    public static func inspect(
        _ path: String, verifierKey: String, since: String? = nil
    ) async throws -> AuditReport {
        try await BlockingThread.result {
            let path = try VaultFile.resolve(path)
            try VaultFile.check(path)
            let key = try AuditProof.key(verifierKey)
            let checkpoint = try since.map { try Checkpoint.read(Array($0.utf8), signedBy: key) }
            ParkedDescriptors.storeOpens(path)
            defer { ParkedDescriptors.storeClosed(path) }
            do {
                return try ReaderConnections(path, count: 1).snapshot { database in
                    try AuditVerifier(database, key: key, keyring: nil, progress: { _ in })
                        .verify(since: checkpoint) { try RowScan(database, nil) }
                }
            } catch { throw StorageFailure.translate(error, isOpening: true) }
        }
    }
}
