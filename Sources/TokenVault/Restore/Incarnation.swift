import VaultCore
import VaultCrypto
import VaultStore

/// A life of the vault: the first from its creation, another from each time it was restored. Two restores of
/// one backup can have the same number, for neither knows of the other; what was drawn at random beside it
/// tells them apart. Both are in the `id` of the row, number first, so that a later life has a larger id.
package struct Incarnation: Sendable, Hashable {
    package let id: Int64

    package static let first = Incarnation(id: 1)
    private static let randomBits: Int64 = 40
    private static let randomBytes = 5

    package init(id: Int64) { self.id = id }

    /// A random one, unlike all before.
    package static func random(number: Int64) -> Incarnation {
        let drawn = SystemRandom().bytes(randomBytes).reduce(0) { $0 << 8 | Int64($1) }
        return Incarnation(id: number << randomBits | drawn)
    }

    /// Vaults that were restored before there was a random part have their number as `id`.
    private var isPlain: Bool { id >> Self.randomBits == 0 }

    /// From 1.
    package var number: Int64 { isPlain ? id : id >> Self.randomBits }

    /// As the log's origin has it: `2-00c0ffee42`.
    var name: String {
        guard !isPlain else { return "\(id)" }
        let drawn = (0..<Self.randomBytes).reversed().map { UInt8(truncatingIfNeeded: id >> (8 * Int64($0))) }
        return "\(number)-" + Hex.encode(drawn)
    }

    /// Nil for anything but what ``name`` makes.
    init?(name: some StringProtocol) {
        let parts = name.split(separator: "-", omittingEmptySubsequences: false)
        guard let number = Int64(parts[0]), number > 0, parts.count <= 2 else { return nil }
        if parts.count == 1 {
            id = number
        } else {
            guard number < 1 << (63 - Self.randomBits), let drawn = Int64(parts[1], radix: 16), drawn >= 0
            else {
                return nil
            }
            id = number << Self.randomBits | drawn
        }
        guard self.name == name else { return nil }
    }
}

extension Database {
    /// The life the vault is in.
    package func newestIncarnation() throws -> Incarnation {
        Incarnation(id: max(1, try count("SELECT max(id) FROM incarnations")))
    }

    /// Whether a restore lost the grant of a token, by its number, or the token, by the minute of its issue: the row that came
    /// back may have ended long before it.
    func restoreLost(_ token: TokenHandle, _ keyring: Keyring) throws -> Bool {
        try loadAll(IncarnationRow.self, where: "id > 0", [], keyring).contains { life in
            life.lostGrants.contains(token.grant.rawValue)
                || token.issuedAt.advanced(by: .seconds(60)) > life.lostSince
                    && token.issuedAt <= life.restoredAt
        }
    }

    /// The life that came after one of this vault's; nil where that one was not this vault's.
    package func incarnation(after life: Incarnation, _ keyring: Keyring) throws -> IncarnationRow? {
        guard try life == .first || load(IncarnationRow.self, life.id, keyring) != nil else { return nil }
        return try loadAll(
            IncarnationRow.self, where: "id > ? ORDER BY id LIMIT 1", [.integer(life.id)], keyring
        ).first
    }
}
