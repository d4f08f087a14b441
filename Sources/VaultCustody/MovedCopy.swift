import Foundation
import PostgresStore
import SQLiteStore
import TokenVault
import VaultCore

/// Where a vault is copied to. A file has a name of its own until its move has ended, which says of which vault and of which
/// try it is: it is not taken for the vault, and no try touches the copy of another.
struct MovedCopy: Sendable {
    let place: VaultPlace
    /// What the vault is called when its move has ended.
    let path: String
    /// How the names of all copies of the vault begin.
    private let names: String

    init(_ vault: [UInt8], to target: VaultPlace, at begun: VaultInstant) throws {
        switch target {
        case .file(let named):
            path = try VaultFile.resolve(named, isNew: true)
            names = "\(path).moving-\(Hex.encode(vault))-"
            place = .file("\(names)\(begun.millisecondsSince1970)")
        case .postgres(let service):
            path = try PostgresPlace(service: service).name
            names = ""
            place = target
        }
    }

    var isThere: Bool { if case .file(let file) = place { access(file, F_OK) == 0 } else { false } }

    /// Gives a file that was closed its name. Removes before what other tries left: the vault has left for this one.
    func publish() throws {
        guard case .file(let file) = place else { return }
        try VaultFile.checkDirectory(of: path)
        try VaultLock(beside: file).withWriterLock(within: .seconds(10)) {
            guard access(file + "-wal", F_OK) != 0 else {
                throw VaultError(
                    .busy, "\(file) is open elsewhere, or could not be closed.", remedy: "End what uses it.")
            }
            remove(names, butFor: file)
            let code = VaultFile.rename(file, toFree: path)
            guard code == 0 else { throw StorageFailure.failed("rename", code) }
            try VaultFile.synchronize(VaultFile.directory(of: path), O_RDONLY | O_DIRECTORY)
        }
    }

    func remove() { if case .file(let file) = place { remove(file) } }

    private func remove(_ beginning: String, butFor kept: String? = nil) {
        let directory = VaultFile.directory(of: path)
        for name in (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [] {
            let file = (directory == "/" ? "" : directory) + "/" + name
            if file.hasPrefix(beginning), file != kept { unlink(file) }
        }
    }
}
