import GRDB
import VaultCore
import VaultCrypto

extension Vault {
    /// A new key for row tags: every row is tagged anew. Tags are outside the log, so no entry names the
    /// rows.
    func rotateRowKey(_ progress: @escaping KeyRotationObserver) async throws -> KeyRotationReport {
        let (begun, keyID) = try await queue.submit(.newWork) { [operatorActor] transaction in
            var report = KeyRotationReport(kind: "rows", epoch: Int64(transaction.keyring.epoch))
            guard transaction.keyring.rows.retired.isEmpty else {
                report.isResumed = true
                return ((report, transaction.keyring.rows.current.id), [])
            }
            let key = try transaction.replaceSystemKey(.rows)
            return ((report, key.keyID), [AuditEvent.keys(.keyRotate, "rows-begun", by: operatorActor)])
        }
        var report = begun
        // Every process must tag by the new key before rows count as done: each reads keys in its next transaction.
        for layout in TableLayout.tagged {
            var done: Int64 = 0
            let sweep = RotationSweep(
                vault: self, query: "SELECT id FROM \(layout.name) WHERE id > ? ORDER BY id LIMIT ?",
                rowsPerBody: 100)
            report.rewritten += try await sweep.run(
                { transaction, ids in (try ids.filter { try transaction.retag(layout, $0) }.count, []) },
                progress: {
                    done += $0
                    progress(KeyRotationProgress(phase: layout.name, done: done, total: done))
                })
        }
        let isProved = try await BlockingThread.result { [store, keys] in
            try store.withOwnReader { database in
                let current = RowKeys(try keys.keys(for: database).keyring.rows.current)
                // Another operator ended this rotation and began the next, which is not ours to judge.
                guard current.current.id == keyID else { return false }
                for layout in TableLayout.tagged {
                    try database.forEachTagged(layout, current) { _ in }
                }
                return true
            }
        }
        guard isProved else { return report }
        try await queue.submit(.finishing) { [operatorActor] transaction in
            let rows = transaction.keyring.rows
            guard !rows.retired.isEmpty, rows.current.id == keyID else { return ((), []) }
            // Its own row is written by the end of this transaction, because the registry is touched.
            _ = try transaction.destroyRetiredKeys(.rows) { _, _ in true }
            return ((), [.keys(.keyRotate, "rows-done", by: operatorActor)])
        }
        return report
    }
}

extension WriteTransaction {
    /// - Returns: false when the tag is the present key's already.
    fileprivate func retag(_ layout: TableLayout, _ id: Int64) throws -> Bool {
        let found = try database.firstRow(layout.selectByID, [.integer(id)]) {
            try StoredRow(reading: $0, layout, rowKey: keyring.rows)
        }
        guard let row = found, !row.isTagged(by: RowKeys(keyring.rows.current)) else { return false }
        let fresh = StoredRow(layout, id: id, columns: row.columns, leaf: row.leaf, rowKey: keyring.rows)
        try database.run(
            "UPDATE \(layout.name) SET row_tag = ? WHERE id = ?", [.blob(fresh.tag), .integer(id)])
        noteUnloggedChange()
        return true
    }
}
