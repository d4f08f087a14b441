import TokenKeeper
import TokenVault

/// A command that works in a vault and shows what came of it; these two are its last options. Not a group of options in
/// a group: with that, the parser's checks, which debug builds make at each start, took twice as long.
protocol VaultWork {
    var location: VaultArguments { get }
    var output: OutputArguments { get }
}

extension VaultWork {
    /// Opens the vault for one piece of work, and shows what came of it when it is closed again.
    func show(_ work: (Vault) async throws -> Shown) async throws {
        try output.show(try await location.withVault { try await work($0) })
    }

    /// Opens the vault under a keeper, for one piece of work. Without `network` it calls no provider.
    func showKept(
        calling network: NetworkArguments? = nil, _ work: (TokenKeeper) async throws -> Shown
    ) async throws {
        guard let network else { return try output.show(try await location.withKeeper(work)) }
        try output.show(try await network.withKeeper(location, work))
    }
}
