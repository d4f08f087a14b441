import ArgumentParser
import TokenVault
import VaultCore

struct KeyInventoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inventory",
        abstract: "List every key, its algorithm and its age: a cryptographic inventory.",
        discussion: """
            No key is shown. A retired key still opens what was made with it; 'key rotate' destroys it when nothing is \
            left.

            Examples:
              tokenvault key inventory
              tokenvault key inventory --json
            """)

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try output.show(try await location.withVault { try $0.keyInventory().map(KeyInventoryRecord.init) })
    }
}

/// A key as printed: `{"algorithm":"Ed25519, 256 bits","count":1,"created_at":"…","epoch":2,"purpose":"log","state":"current"}`.
private struct KeyInventoryRecord: ListRecord {
    let purpose: String
    let algorithm: String
    let state: String
    let count: Int64
    let epoch: Int64?
    let createdAt: Timestamp?

    init(_ entry: KeyInventoryEntry) {
        purpose = entry.purpose
        algorithm = entry.algorithm
        state = entry.state
        count = entry.count
        epoch = entry.epoch
        createdAt = entry.createdAt.map(Timestamp.init)
    }

    static let header = ["PURPOSE", "ALGORITHM", "STATE", "KEYS", "ROOT EPOCH", "CREATED"]
    var cells: [String] {
        [
            purpose, algorithm, state, "\(count)", epoch.map { "\($0)" } ?? "-",
            createdAt?.description ?? "-",
        ]
    }
}
