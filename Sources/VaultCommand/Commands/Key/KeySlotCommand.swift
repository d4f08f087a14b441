public import ArgumentParser
public import TokenVault
import VaultCustody

/// The keys of the vault: those that open it, and those it works with.
struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Show, add, test, rotate and recover keys.",
        subcommands: [
            KeySlotCommand.self, KeyRecoveryCommand.self, KeyRotateCommand.self, KeyInventoryCommand.self,
            SigningKeysCommand.self,
        ],
        aliases: ["keys"])
}

/// The keyslots: the ways to open the vault.
struct KeySlotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "slot", abstract: "List, add, test and remove keyslots, the ways to open the vault.",
        subcommands: [
            KeySlotListCommand.self, KeySlotAddCommand.self, KeySlotTestCommand.self,
            KeySlotRemoveCommand.self,
        ])
}

struct KeySlotListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the keyslots.",
        discussion: """
            ROLE is what the slot opens the vault for. PROVED is when it was last tested. Test a slot that is \
            not ROTATABLE before you rotate keys.

            Example:
              tokenvault key slot list --json
            """)

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let slots = try await location.withVault { vault in
            try await vault.keys.proveOpenedSlot(isFirstOnly: true)
            return try await vault.keys.slots()
        }
        try output.show(
            slots.map { Shown($0) },
            under: ["NAME", "KIND", "ROLE", "SLOT", "CREATED", "PROVED", "ROTATABLE"])
        output.noteMissingRecoveryKey(among: slots)
    }
}

struct KeySlotAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a keyslot.",
        discussion: """
            The usual options open the vault; options that begin with --new name the new key. The slot counts \
            only after it was opened with the new key, read a second time.

            Examples:
              tokenvault key slot add --new-key-file ./second.key --create
              tokenvault key slot add --name office --new-passphrase-prompt
              tokenvault key slot add --name hsm --new-key-exec /usr/local/bin/pkcs11-key
              tokenvault key slot add --role issuer --new-key-file ./issuer.key --create
            """)

    @Option(help: ArgumentHelp("Name of the slot (default: its kind).", valueName: "name"))
    var name: String?
    @Option(help: "What the slot opens the vault for (docs/keys.md).")
    var role = VaultRoles.everything
    @OptionGroup(title: "New key") var newKey: NewKeyArguments
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let slot = try await location.withVault { vault in
            try await vault.keys.proveOpenedSlot(isFirstOnly: true)
            return try await newKey.add(to: vault, named: name, for: role)
        }
        try output.show(Shown(slot))
    }
}

struct KeySlotTestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Check that a key opens the vault and show its slot.",
        discussion: """
            Opens the vault with the given key, records the time in the slot, and keeps what a rotation of the \
            root key needs.

            Examples:
              tokenvault key slot test --key-file ./second.key
              tokenvault key slot test --passphrase-prompt
            """)

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try output.show(Shown(try await location.withVault { try await $0.keys.proveOpenedSlot() }))
    }
}

struct KeySlotRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a keyslot. Cannot be undone.",
        discussion: """
            Open the vault with the key of a slot that stays. A copied key still opens older copies of the \
            database, and may have disclosed the root key: then run 'tokenvault key rotate --deep' as well.

            Example:
              tokenvault key slot remove passphrase --confirm passphrase
            """)

    @Argument(help: "The slot, as in 'tokenvault key slot list'.")
    var name: String
    @OptionGroup var confirmation: ConfirmationArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try confirmation.check(name, consequence: "Removing a keyslot closes a way into the vault")
        let left = try await location.withVault { vault in
            try await vault.keys.proveOpenedSlot(isFirstOnly: true)
            try await vault.keys.removeSlot(named: name)
            return try await vault.keys.slots()
        }
        try output.show(Shown(removed: name))
        output.note(
            "If its key may have been copied, run 'tokenvault key rotate --deep'. Older backups still open with it."
        )
        output.noteMissingRecoveryKey(among: left)
    }
}

extension Shown {
    /// A keyslot: `{"created_at":"…","epoch":1,"id":"…","kind":"key-file","name":"first","opened":true,"proved_at":"…",
    /// "role":"everything","rotatable":true}`; `recovery_key` for that kind, `recovery_file` when it was just written.
    init(_ slot: VaultKeyslot, recoveryFile: String? = nil) {
        self.init(
            [
                .both("name", slot.name), .both("kind", slot.kind),
                .both("role", slot.roles.rawValue), .both("id", slot.id, label: "slot"),
                .both("created_at", slot.createdAt), .both("proved_at", slot.provedAt),
                .json("epoch", slot.epoch), .json("rotatable", slot.isRotatable),
                .json("opened", slot.isOpened), .both("recovery_key", slot.recoveryKeyID),
                .both("recovery_file", recoveryFile),
            ],
            cells: [
                slot.name, slot.kind, slot.roles.rawValue, String(slot.id.prefix(8)),
                Timestamp(slot.createdAt).description,
                slot.provedAt.map { Timestamp($0).description } ?? "-", slot.isRotatable ? "yes" : "no",
            ])
    }
}

extension OutputArguments {
    /// Reminds a person, not a script, that one lost key would be the end of everything.
    func noteMissingRecoveryKey(among slots: [VaultKeyslot]) {
        guard !slots.contains(where: { $0.recoveryKeyID != nil }) else { return }
        note("There is no recovery key yet: make one with 'tokenvault key recovery create --out FILE'.")
    }
}

extension VaultRoles: ExpressibleByArgument {}
