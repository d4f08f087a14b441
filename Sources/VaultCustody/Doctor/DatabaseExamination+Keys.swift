import TokenVault
import VaultCore
import VaultCrypto
import VaultStore

/// The ways to open the vault, and the age of what they open.
extension DatabaseExamination {
    private static let year: Int64 = 365 * 86_400_000
    /// A rotation takes minutes; a day later it was forgotten.
    private static let rotationPatience: Int64 = 86_400_000

    func slotChecks() throws -> [DoctorCheck] {
        let slots = try count("SELECT count(*) FROM keyslots WHERE role = 0")
        let recovery = try count(
            "SELECT count(*) FROM keyslots WHERE kind = \(KeyslotKind.recoveryKey.rawValue)")
        var checks: [DoctorCheck] = []
        switch slots {
        case 0:
            checks.append(
                .error(
                    "slots.count", .integrity, "There is no keyslot: no key opens this vault.",
                    "Restore a backup."))
        case 1:
            checks.append(
                .warning(
                    "slots.count", "One keyslot is the only way into this vault.",
                    "Add a keyslot for another key, and keep that key elsewhere."))
        default: checks.append(.ok("slots.count", "\(slots) keyslots open this vault."))
        }
        checks.append(
            recovery > 0
                ? .ok("slots.recovery", "There is a recovery key.")
                : .warning(
                    "slots.recovery", "There is no recovery key: if the key is lost, every token is.",
                    "Create a recovery key, and keep its file off this machine."))
        return checks + (try proofs())
    }

    /// The time each slot was last opened with its key.
    private func proofs() throws -> [DoctorCheck] {
        let id = "slots.proved"
        // Slots of a vault from before this table were proved by opening it.
        guard try has("keyslot_details") else { return [] }
        let never = try count(
            """
            SELECT count(*) FROM keyslots s LEFT JOIN keyslot_details d ON d.id = s.id
            WHERE coalesce(d.proved_at, 0) = 0
            """)
        let old = try count(
            "SELECT count(*) FROM keyslot_details WHERE proved_at > 0 AND proved_at < ?",
            [.integer(now.millisecondsSince1970 - Self.year)])
        let checks =
            check(never, "keyslot") {
                .advice(id, "\($0) was never opened with its key.", "Test the keyslot with its key.")
            }
            + check(old, "keyslot", else: .ok(id, "Every keyslot was opened within the year.")) {
                .advice(
                    id, "\($0) was last opened more than a year ago.",
                    "Test the keyslot, to check that its key still exists.")
            }
        return Array(checks.prefix(1))
    }

    func keyChecks() throws -> [DoctorCheck] {
        var checks = [rootAge(try KeyAges.root(database))]
        let epoch = try count("SELECT key_epoch FROM vault WHERE id = 1")
        let began = try database.integer(
            """
            SELECT min(new.created_at) FROM role_keys new JOIN role_keys old ON old.role = new.role
            WHERE new.state = 1 AND old.state = 2
            """)
        let old = try count(
            """
            SELECT count(*) FROM system_keys s
            WHERE NOT EXISTS (SELECT 1 FROM role_keys r WHERE r.role = s.role AND r.epoch = s.epoch AND r.state = 1)
            """)
        if let began {
            let age = age(began)
            let what = "A rotation of keys that began \(DoctorText.span(age)) ago is not finished."
            let remedy = "Rotate the root key again: the rotation goes on where it stopped."
            checks.append(
                age > Self.rotationPatience
                    ? .warning("keys.rotation", what, remedy) : .advice("keys.rotation", what, remedy))
        } else if old > 0 {
            checks.append(
                .error(
                    "keys.rotation", .integrity,
                    "\(DoctorText.count(old, "system key")) is under a key that is missing.",
                    "Verify the audit log, then restore a backup."))
        } else {
            checks.append(.ok("keys.rotation", "Everything is under the root key of epoch \(epoch)."))
        }
        return checks
    }

    private func rootAge(_ made: VaultInstant?) -> DoctorCheck {
        let id = "keys.root"
        guard let made else { return .ok(id, "The age of the root key cannot be told.") }
        let age = age(made.millisecondsSince1970)
        guard age < Self.year else {
            return .advice(
                id, "The root key is \(DoctorText.span(age)) old.", "Rotate the root key once a year.")
        }
        return .ok(id, "The root key is \(DoctorText.span(age)) old.")
    }
}

/// How long keys have been in use, from rows that need no key to be read.
enum KeyAges {
    /// About when the present root key was made; nil where it cannot be told. The first one is as old as the
    /// vault. A later one is as old as the entry of the log that wrapped the first keyslot under it, so a
    /// slot that was added later makes it look no younger.
    static func root(_ database: Database) throws -> VaultInstant? {
        let made = try database.firstRow("SELECT key_epoch, created_at FROM vault WHERE id = 1") {
            (epoch: $0.integer(0), createdAt: $0.integer(1))
        }
        guard let made else { return nil }
        guard made.epoch > 1 else { return VaultInstant(millisecondsSince1970: made.createdAt) }
        let leaf = try database.integer(
            "SELECT min(leaf) FROM keyslots WHERE epoch = ? AND role = 0", [.integer(made.epoch)])
        return try leaf.flatMap { try StoredLog(database).entry($0)?.wall }
    }
}
