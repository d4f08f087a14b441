import Foundation
import Testing
import TokenVault
import VaultCore
import VaultCrypto
import VaultCustody

extension RestorePlan {
    /// What is in the backup and is not brought back as it was.
    func moved(_ kinds: String...) -> [MovedRow] {
        moved.filter { kinds.contains($0.kind) && $0.becomes != .lost }
    }

    /// What is not in the backup.
    func lost(_ kinds: String...) -> [Int64] {
        moved.filter { kinds.contains($0.kind) && $0.becomes == .lost }.map(\.id)
    }
}

extension TestVault {
    struct Kept: Sendable {
        let data: String
        let keys: String
    }

    /// A backup under a name of its own.
    @discardableResult
    func backUp(_ name: String = "backup", _ change: (inout BackupRequest) -> Void = { _ in }) async throws
        -> Kept
    {
        let kept = Kept(data: directory + "/\(name).data", keys: directory + "/\(name).keys")
        var request = BackupRequest(path: kept.data, keysPath: kept.keys)
        change(&request)
        _ = try await vault.backups.make(request)
        return kept
    }

    var source: KeySource { .keyFile(path: keyFile) }

    func restore(
        _ kept: Kept, to name: String = "restored", newest: NewestLog? = nil, source: KeySource? = nil
    ) -> VaultRestore {
        var restore = VaultRestore(
            backup: kept.data, keys: kept.keys, unlockedBy: source ?? self.source, to: directory + "/" + name,
            configuration: VaultConfiguration.anchored(clock: clock))
        restore.newest = newest
        return restore
    }

    /// The restored vault, open.
    func open(_ name: String = "restored") async throws -> Vault {
        try await Vault.open(
            at: directory + "/" + name, unlockedBy: source,
            configuration: VaultConfiguration.anchored(clock: clock))
    }

    func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
    }

    func bytes(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: path))) }

    func write(_ bytes: [UInt8], to path: String) throws {
        try Data(bytes).write(to: URL(filePath: path))
        chmod(path, 0o600)
    }
}
