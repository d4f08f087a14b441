import ArgumentParser
import TokenKeeper
import TokenVault

/// Imports tokens that another program obtained.
struct ConnectionImportCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Import tokens that another program obtained.",
        discussion: """
            Each file holds a token on its first line. The connection is unverified until the provider accepts \
            its tokens; it is refreshed when a token is needed. From then on only this vault may refresh it. If \
            the refresh token expires when it is unused (--refresh-expires-in, or the idle limit of the \
            provider's entry), 'refresh run' uses it in time.

            Examples:
              tokenvault connection import google --user alice --refresh-token-file ./token
              tokenvault connection import mine --user - --access-token-file t --label a
            """)

    @OptionGroup var provider: ProviderArgument
    @OptionGroup var owner: ConnectionOwnerArguments
    @Option(
        help: ArgumentHelp("Read the access token from this file.", valueName: "path"), completion: .file())
    var accessTokenFile: String?
    @Option(
        help: ArgumentHelp("Read the refresh token from this file.", valueName: "path"), completion: .file())
    var refreshTokenFile: String?
    @Option(
        help: ArgumentHelp(
            "Remaining life of the access token. (default: expired if there is a refresh token)",
            valueName: "duration"))
    var expiresIn: DurationArgument?
    @Option(
        help: ArgumentHelp(
            "Remaining life of the unused refresh token. (default: the entry's idle limit)",
            valueName: "duration"))
    var refreshExpiresIn: DurationArgument?
    @Option(help: "Scope that was granted, separated by spaces.", transform: ScopeArgument.tidy)
    var scope: String?
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard accessTokenFile != nil || refreshTokenFile != nil else {
            throw ValidationError("Give --access-token-file, --refresh-token-file or both.")
        }
        guard expiresIn == nil || accessTokenFile != nil else {
            throw ValidationError("--expires-in belongs to --access-token-file.")
        }
        guard refreshExpiresIn == nil || refreshTokenFile != nil else {
            throw ValidationError("--refresh-expires-in belongs to --refresh-token-file.")
        }
    }

    func run() async throws {
        let userName = try owner.userName()
        var tokens = ImportedTokens(
            accessToken: try accessTokenFile.map(SecretReader.accessToken.read(file:)),
            refreshToken: try refreshTokenFile.map(SecretReader.refreshToken.read(file:)))
        tokens.scope = scope ?? ""
        try await showKept { keeper in
            let now = keeper.vault.clock.now()
            tokens.accessExpiresAt = expiresIn.map { now.advanced(by: $0.duration) }
            tokens.refreshExpiresAt = refreshExpiresIn.map { now.advanced(by: $0.duration) }
            let user = try await keeper.vault.users.find(userName)
            let kept = try await keeper.import(
                tokens, provider: provider.name, user: user.id, label: owner.label)
            return try await Shown(kept, in: keeper.vault)
        }
    }
}

/// Whose connection it is to be.
struct ConnectionOwnerArguments: ParsableArguments {
    @Option(help: "The user, or - to read the name from standard input.")
    var user: String?
    @Option(help: "Tells several connections of one user at one provider apart.")
    var label = ""

    func userName() throws -> String {
        guard let user else {
            throw VaultError(
                .invalidInput, "No user was named.", remedy: "Give --user NAME; see 'tokenvault user list'.")
        }
        return try StandardInput.name(user)
    }
}
