import Logging
public import TokenVault
import VaultCore
import VaultStore

/// Compares a vault with its anchors when it is opened, and publishes to them when it is closed.
///
/// ```swift
/// var configuration = VaultConfiguration()
/// configuration.anchors = LogAnchors()
/// ```
public struct LogAnchors: AnchorCheck {
    let witnesses: (any WitnessTransport)?

    /// - Parameter witnesses: carries checkpoints to witnesses; without it, they are not asked.
    public init(witnesses: (any WitnessTransport)? = nil) { self.witnesses = witnesses }

    public func requireAgreement(of vault: Vault) throws {
        let readings = try AnchorComparison.readings(vault.store, vault.liveKeys)
        guard !readings.isEmpty else { return }
        try vault.store.reader.snapshot { database in
            let keyring = try vault.liveKeys.keys(for: database).keyring
            for (anchor, reading) in readings {
                let comparison = try AnchorComparison(anchor, reading, database, keyring)
                if let problem = comparison.problem {
                    throw VaultError(
                        .integrity, "The database is not the newest of this vault: \(problem).",
                        remedy:
                            "Put the newest file back. To go on with this one, ignore the anchors (docs/audit-log.md)."
                    )
                }
                if let note = comparison.note { vault.logger.warning("\(note)") }
            }
        }
    }

    /// Publishes to files only, which are quick; failures are ignored.
    public func vaultWillClose(_ vault: Vault) async {
        do {
            guard try await vault.read({ try $0.hasAnchors(.file) }) else { return }
            try await vault.anchors.publishCheckpoint([.file])
        } catch {
            vault.logger.debug("Anchors could not be told before closing.", metadata: ["error": "\(error)"])
        }
    }
}

extension VaultAnchors {
    /// Nil: this process has no way to ask witnesses.
    var witnesses: (any WitnessTransport)? { (vault.anchorCheck as? LogAnchors)?.witnesses }
}
