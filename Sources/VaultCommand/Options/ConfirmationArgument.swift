import ArgumentParser
import VaultCore

/// `--confirm NAME`: what cannot be undone is named twice.
struct ConfirmationArgument: ParsableArguments {
    @Option(help: ArgumentHelp("Repeat the name: this cannot be undone.", valueName: "name"))
    var confirm: String?

    func check(_ name: String, consequence: String) throws {
        guard confirm == name else {
            throw VaultError(
                .confirmationRequired,
                confirm == nil ? "\(consequence) and cannot be undone." : "--confirm names something else.",
                remedy: "Repeat the name: --confirm \(name)")
        }
    }
}
