import ArgumentParser
import OpenIDConnect
import TokenVault
import VaultCustody

struct SigningKeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "signing", abstract: "Show and rotate the keys that sign id_tokens.",
        discussion: """
            A new key is published for an hour before it signs: clients keep copies of the key set. The first key, \
            and one made with --overlap 0s, signs at once. A running service needs no restart.
            """,
        subcommands: [SigningKeysListCommand.self, SigningKeysRotateCommand.self])
}

struct SigningKeysListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List current and still published keys.",
        discussion: "Example:\n  tokenvault key signing list --json")

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try output.show(try await location.withVault { try await $0.signingKeys() }, where: { _ in true })
    }
}

struct SigningKeysRotateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Make new keys that sign id_tokens.",
        discussion: """
            Without --algorithm every algorithm that has a key gets a new one, and RS256 its first. Old keys \
            stay published for the overlap. After a leak, use --overlap 0s: what they signed no longer verifies \
            once clients have fetched the keys again.

            Examples:
              tokenvault key signing rotate
              tokenvault key signing rotate --overlap 0s
              tokenvault key signing rotate --algorithm ES256
            """)

    @Option(help: ArgumentHelp("Make a key for this algorithm only.", valueName: "alg"))
    var algorithm: SigningAlgorithm?
    @Option(help: ArgumentHelp("How long the old keys stay published.", valueName: "duration"))
    var overlap = DurationArgument(VaultSigningKeys.overlap)
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let made = try await location.withVault { vault in
            let keys = VaultSigningKeys(vault)
            let existing = try await keys.algorithms()
            var new: Set<String> = []
            for algorithm in algorithm.map({ [$0] }) ?? (existing.isEmpty ? [.rs256] : existing) {
                new.insert(try await keys.rotate(algorithm, overlap: overlap.duration))
            }
            return (try await vault.signingKeys(), new)
        }
        try output.show(made.0) { made.1.contains($0.kid) }
    }
}

extension OutputArguments {
    /// As objects: `{"alg":"RS256","created_at":"…","kid":"…","state":"current"}`, and with an end `published_until`. The
    /// `current` key signs; one that is `announced` will.
    fileprivate func show(_ keys: [StoredSigningKey], where isShown: (StoredSigningKey) -> Bool) throws {
        let now = SystemClock().now()
        let rows = keys.filter(isShown).map { key in
            let signs = VaultSigningKeys.signer(of: keys, key.algorithm, at: now)?.kid == key.kid
            let state = signs ? "current" : key.state == .current ? "announced" : "retired"
            return Shown(
                [
                    .json("kid", key.kid), .json("alg", key.algorithm.rawValue), .json("state", state),
                    .json("created_at", key.createdAt), .json("published_until", key.publishedUntil),
                ],
                cells: [
                    key.kid, key.algorithm.rawValue, state, Timestamp(key.createdAt).description,
                    key.publishedUntil.map { Timestamp($0).description } ?? "-",
                ])
        }
        try show(rows, under: ["KID", "ALG", "STATE", "CREATED", "PUBLISHED UNTIL"])
    }
}

struct KeyInventoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inventory",
        abstract: "List every key, its algorithm and its age: a cryptographic inventory.",
        discussion: """
            Shows no key material. A retired key still opens what was made with it; 'key rotate' destroys it \
            when nothing is left.

            Examples:
              tokenvault key inventory
              tokenvault key inventory --json
            """)

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let entries = try await location.withVault { try await $0.keys.inventory() }
        try output.show(
            entries.map { Shown($0) },
            under: ["PURPOSE", "ROLE", "ALGORITHM", "STATE", "KEYS", "EPOCH", "CREATED"])
    }
}

extension Shown {
    /// A key: `{"algorithm":"Ed25519, 256 bits","count":1,"created_at":"…","epoch":2,"purpose":"log",
    /// "role":"common","state":"current"}`.
    fileprivate init(_ entry: KeyInventoryEntry) {
        self.init(
            [
                .json("purpose", entry.purpose), .json("role", entry.role),
                .json("algorithm", entry.algorithm),
                .json("state", entry.state), .json("count", entry.count), .json("epoch", entry.epoch),
                .json("created_at", entry.createdAt),
            ],
            cells: [
                entry.purpose, entry.role ?? "-", entry.algorithm, entry.state, "\(entry.count)",
                entry.epoch.map { "\($0)" } ?? "-",
                entry.createdAt.map { Timestamp($0).description } ?? "-",
            ])
    }
}
