import ArgumentParser
import VaultCore

/// `--confirm NAME`: what cannot be undone is named twice.
struct ConfirmationArgument: ParsableArguments {
    @Option(help: ArgumentHelp("Repeat the name: this cannot be undone.", valueName: "name"))
    var confirm: String?

    func check(_ name: String, consequence: String) throws {
        guard let confirm else {
            throw VaultError(
                .confirmationRequired, "\(consequence) and cannot be undone.",
                remedy: "Repeat the name: --confirm \(name)")
        }
        guard confirm == name else {
            throw VaultError(
                .confirmationRequired, "--confirm names something else.",
                remedy: "Repeat the name: --confirm \(name)")
        }
    }
}
