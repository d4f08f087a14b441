import ArgumentParser
import Foundation
import TokenVault
import VaultCore

/// Shows what is in the vault and how it is.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show what is in the vault, its log and its disk.",
        discussion: """
            Counting reads every grant once: about a second per million.

            Examples:
              tokenvault status
              tokenvault status --json
            """)

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let path = try location.path()
        let (status, slots) = try await location.withVault { (try $0.status(), try $0.keyslots()) }
        try output.show(StatusRecord(status, path: path))
        output.noteMissingRecoveryKey(among: slots)
    }
}

/// The vault at a glance, as printed.
private struct StatusRecord: Record {
    let vault: String
    let vaultId: String
    let schema: Int
    let clients, users, grants, liveGrants: Int64
    let logSize: Int64
    let root: String
    let createdAt, lastWrite, lastHeartbeat: Timestamp
    let acceptsNewWork: Bool
    let freeBytes: Int64?

    init(_ status: VaultStatus, path: String) {
        vault = path
        vaultId = status.id.description
        schema = status.schema
        clients = status.clients
        users = status.users
        grants = status.grants
        liveGrants = status.liveGrants
        logSize = status.logSize
        root = status.logRoot
        createdAt = Timestamp(status.createdAt)
        lastWrite = Timestamp(status.lastWriteAt)
        lastHeartbeat = Timestamp(status.heartbeatAt)
        acceptsNewWork = status.acceptsNewWork
        freeBytes = Self.freeBytes(around: path)
    }

    /// What an unprivileged process may still write there.
    private static func freeBytes(around path: String) -> Int64? {
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: path)
        return (attributes?[.systemFreeSize] as? NSNumber)?.int64Value
    }

    var lines: [String] {
        let space = freeBytes.map { "\($0 / 1_048_576) MiB free" } ?? "unknown"
        return Table.pairs([
            ("vault", vault), ("vault_id", vaultId), ("schema", "\(schema)"), ("clients", "\(clients)"),
            ("users", "\(users)"), ("grants", "\(grants), of them \(liveGrants) live"),
            ("log", "\(logSize) entries"), ("root", root), ("created_at", createdAt.description),
            ("last_write", lastWrite.description), ("last_heartbeat", lastHeartbeat.description),
            ("disk", space + (acceptsNewWork ? "" : "; too little: no new work is taken")),
        ])
    }
}
