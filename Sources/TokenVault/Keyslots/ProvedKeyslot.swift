package import VaultCore
package import VaultCrypto
import VaultStore

/// A slot that was made by one source and opened by another.
package struct ProvedKeyslot: Sendable {
    package let record: KeyslotRecord
    let slotKey: GuardedKey

    /// Blocks as long as both sources take.
    package init(
        _ source: KeySource, _ proof: KeySource, _ root: GuardedKey, _ epoch: UInt32, _ vault: VaultID,
        role: UInt16 = 0
    ) throws {
        record = try Keyslot.create(source, wrapping: root, epoch: epoch, vault: vault, role: role)
        let opened = try Keyslot.unlock(record, with: proof, vault: vault)
        guard opened.root.isEqual(to: root) else {
            throw VaultError(.internalError, "A new keyslot opened to another key.")
        }
        slotKey = opened.slotKey
    }
}

extension WriteTransaction {
    /// Writes a slot that was proved, and its details.
    ///
    /// - Parameters:
    ///   - root: holds the slot's key; nil: the present one.
    ///   - epoch: of `root`.
    @discardableResult
    package func add(
        _ made: ProvedKeyslot, named name: String?, root: GuardedKey? = nil, epoch: UInt32? = nil
    ) throws -> StoredKeyslot {
        let slots = try StoredKeyslot.all(self)
        guard slots.count < Limits.keyslots else {
            throw VaultError(
                .denied, "A vault has at most \(Limits.keyslots) keyslots.",
                remedy: "Remove the keyslot that is not used any more.")
        }
        let taken = Set(slots.map(\.name))
        guard name.map({ !taken.contains($0) }) ?? true else {
            throw VaultError(
                .alreadyExists, "There is a keyslot of this name.",
                remedy: "Choose another name for the keyslot.")
        }
        let word = made.record.kind.word
        let free =
            name ?? ([word] + (2...Limits.keyslots + 1).map { "\(word)-\($0)" }).first { !taken.contains($0) }
        let id = next(\.nextKeyID)
        let row = KeyslotRow(id: id, record: made.record, createdAt: now)
        var details = KeyslotDetailsRow(
            id: id, name: free ?? "\(word)-\(id)", held: nil, epoch: 0, provedAt: now)
        try details.hold(
            made.slotKey, of: made.record, under: root ?? keyring.root, epoch: epoch ?? keyring.epoch,
            vault: keyring.vault)
        try insert(row)
        try insert(details)
        return StoredKeyslot(row: row, details: details)
    }

    /// The wraps of new keys: each role's own by the root key, the common one by each of those.
    ///
    /// - Parameter keys: new ones, the common one among them.
    package func insertRoleKeys(_ keys: [RoleKey], root: GuardedKey, epoch: UInt32) throws {
        var wrappers: [RoleKey] = []
        for role in KeyRole.own {
            guard let key = keys.first(where: { $0.role == role }) else {
                wrappers.append(try keyring.roleKeys.current(role))
                continue
            }
            wrappers.append(key)
            try insert(
                RoleKeyRow(
                    id: next(\.nextKeyID), key, under: nil, root, epoch: epoch, vault: keyring.vault,
                    createdAt: now))
        }
        for key in keys where key.role == .common {
            for wrapper in wrappers {
                try insert(
                    RoleKeyRow(
                        id: next(\.nextKeyID), key, under: wrapper.role, wrapper.key, epoch: wrapper.epoch,
                        vault: keyring.vault, createdAt: now))
            }
        }
    }
}
