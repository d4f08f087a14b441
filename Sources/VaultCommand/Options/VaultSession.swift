import ArgumentParser
import TokenKeeper
import TokenVault

/// The vault that a command works in, and how it answers: the last options of most commands.
struct VaultSession: ParsableArguments {
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    /// Opens the vault for one piece of work, and shows what came of it when it is closed again.
    func show(_ work: (Vault) async throws -> Shown) async throws {
        try output.show(try await location.withVault { try await work($0) })
    }

    /// The same under a keeper, which calls nobody unless it is given a network.
    func showKept(
        calling network: NetworkArguments? = nil, _ work: (TokenKeeper) async throws -> Shown
    ) async throws {
        guard let network else { return try output.show(try await location.withKeeper(work)) }
        try output.show(try await network.withKeeper(location, work))
    }
}
