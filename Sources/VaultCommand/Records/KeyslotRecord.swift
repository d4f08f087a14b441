import TokenVault

/// A keyslot as printed: `{"created_at":"…","epoch":1,"id":"…","kind":"key-file","name":"first","opened":true,
/// "proved_at":"…","rotatable":true}`; `recovery_key` for that kind, `recovery_file` when it was just written.
struct KeyslotRecord: Record, ListRecord {
    let name, kind, id: String
    let epoch: Int64
    let createdAt: Timestamp
    let provedAt: Timestamp?
    let rotatable: Bool
    /// By it the vault was opened for this command.
    let opened: Bool
    let recoveryKey: String?
    let recoveryFile: String?

    init(_ slot: VaultKeyslot) { self.init(slot, recoveryFile: nil) }

    init(_ slot: VaultKeyslot, recoveryFile: String?) {
        name = slot.name
        kind = slot.kind
        id = slot.id
        epoch = slot.epoch
        createdAt = Timestamp(slot.createdAt)
        provedAt = slot.provedAt.map(Timestamp.init)
        rotatable = slot.isRotatable
        opened = slot.isOpened
        recoveryKey = slot.recoveryKeyID
        self.recoveryFile = recoveryFile
    }

    static let header = ["NAME", "KIND", "SLOT", "CREATED", "PROVED", "ROTATABLE"]
    var cells: [String] {
        [
            name, kind, String(id.prefix(8)), createdAt.description, provedAt?.description ?? "-",
            rotatable ? "yes" : "no",
        ]
    }

    var lines: [String] {
        var pairs = [("name", name), ("kind", kind), ("slot", id), ("created_at", createdAt.description)]
        if let provedAt { pairs.append(("proved_at", provedAt.description)) }
        if let recoveryKey { pairs.append(("recovery_key", recoveryKey)) }
        if let recoveryFile { pairs.append(("recovery_file", recoveryFile)) }
        return Table.pairs(pairs)
    }
}

extension OutputArguments {
    /// Reminds a person, not a script, that one lost key would be the end of everything.
    func noteMissingRecoveryKey(among slots: [VaultKeyslot]) {
        guard !slots.contains(where: { $0.recoveryKeyID != nil }) else { return }
        note("There is no recovery key yet: make one with 'tokenvault key recovery create --out FILE'.")
    }
}
