import Foundation
import GRDB
import VaultCore
import VaultCrypto

extension Vault {
    /// A new lookup key: every name is tagged anew from its sealed spelling. Until that is done both keys
    /// find.
    func rotateLookupKey(_ progress: @escaping KeyRotationObserver) async throws -> KeyRotationReport {
        try await destroyUnusedKeys()
        let (begun, job) = try await queue.submit(.newWork) { [operatorActor] transaction in
            var report = KeyRotationReport(kind: "lookup", epoch: Int64(transaction.keyring.epoch))
            if let job = try transaction.database.rotationJob("lookup") {
                report.isResumed = true
                return ((report, job), [])
            }
            let key = try transaction.replaceSystemKey(.lookup)
            let job = RotationJob(kind: "lookup", step: 0, number: Int64(key.keyID))
            try transaction.keep(job)
            return ((report, job), [AuditEvent.keys(.keyRotate, "lookup-begun", by: operatorActor)])
        }
        var report = begun
        for table in ["owners", "clients", "connections"] {
            var done: Int64 = 0
            let total = try store.readers().read { try $0.rowCount(table) }
            let sweep = RotationSweep(
                vault: self, query: "SELECT id FROM \(table) WHERE id > ? ORDER BY id LIMIT ?")
            report.rewritten += try await sweep.run(
                { [operatorActor] transaction, ids in
                    let count = try ids.filter { try transaction.retagLookup(of: $0, in: table) }.count
                    guard count > 0 else { return (0, []) }
                    transaction.touchRegistry()
                    return (count, [.keys(.keyRewrap, "lookup", by: operatorActor, count: count)])
                },
                progress: {
                    done += $0
                    progress(KeyRotationProgress(phase: table, done: done, total: max(done, total)))
                })
        }
        try await queue.submit(.finishing) { [operatorActor] transaction in
            guard try transaction.isStill(job) else { return ((), []) }
            try transaction.keep(job, isOver: true)
            return ((), [.keys(.keyRotate, "lookup-done", by: operatorActor)])
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
                let owner = try database.owner(OwnerID(id), keyring)
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
            try replace(.connections, id: id) { columns in columns["lookup_tag"] = .blob(tag) }
        }
        return true
    }
}

extension Owner {
    fileprivate func lookupTag(_ keyring: Keyring) throws -> [UInt8] {
        let identity = try identity(keyring)
        guard row.kind == .client else { return keyring.lookup.tag(.userName, of: identity) }
        let client = try JSONDecoder().decode(ClientIdentity.self, from: Data(identity))
        return keyring.lookup.tag(.clientID, of: Array(client.clientID.utf8))
    }
}
