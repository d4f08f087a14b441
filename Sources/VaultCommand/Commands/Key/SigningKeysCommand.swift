import ArgumentParser
import OpenIDConnect
import TokenVault
import VaultCore

/// The keys that sign id_tokens.
struct SigningKeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "signing",
        abstract: "Show and rotate the keys that sign id_tokens.",
        discussion: "A service that runs sees a rotation at once.",
        subcommands: [SigningKeysListCommand.self, SigningKeysRotateCommand.self])
}

struct SigningKeysListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the keys that are current, or still published.",
        discussion: "Example:\n  tokenvault key signing list --json")

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try output.show(try await location.withVault { try $0.signingKeys().map(SigningKeyRecord.init) })
    }
}

struct SigningKeysRotateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Make new keys to sign id_tokens with.",
        discussion: """
            Without --algorithm every algorithm that has a key gets a new one, and RS256 its first. The keys before \
            stay published for the overlap and no longer. After a leak: --overlap 0s, and what they signed verifies \
            no more once clients have fetched the keys again.

            Examples:
              tokenvault key signing rotate
              tokenvault key signing rotate --overlap 0s
              tokenvault key signing rotate --algorithm ES256
            """)

    @Option(help: ArgumentHelp("RS256, ES256 or EdDSA.", valueName: "alg"))
    var algorithm: SigningAlgorithm?
    @Option(help: ArgumentHelp("How long the old keys stay published.", valueName: "duration"))
    var overlap = DurationArgument(VaultSigningKeys.overlap)
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let records = try await location.withVault { vault in
            let keys = VaultSigningKeys(vault)
            let existing = try await keys.algorithms()
            var new: Set<String> = []
            for algorithm in algorithm.map({ [$0] }) ?? (existing.isEmpty ? [.rs256] : existing) {
                new.insert(try await keys.rotate(algorithm, overlap: overlap.duration))
            }
            return try vault.signingKeys().filter { new.contains($0.kid) }.map(SigningKeyRecord.init)
        }
        try output.show(records)
    }
}

/// A signing key as printed: `{"alg":"RS256","created_at":"…","kid":"…","state":"current"}`, and when it was retired
/// `published_until`.
private struct SigningKeyRecord: ListRecord {
    let kid: String
    let alg: String
    let state: String
    let createdAt: Timestamp
    let publishedUntil: Timestamp?

    init(_ key: StoredSigningKey) {
        kid = key.kid
        alg = key.algorithm.rawValue
        state = key.state == .current ? "current" : "retired"
        createdAt = Timestamp(key.createdAt)
        publishedUntil = key.publishedUntil.map(Timestamp.init)
    }

    static let header = ["KID", "ALG", "STATE", "CREATED", "PUBLISHED UNTIL"]
    var cells: [String] { [kid, alg, state, createdAt.description, publishedUntil?.description ?? "-"] }
}

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
