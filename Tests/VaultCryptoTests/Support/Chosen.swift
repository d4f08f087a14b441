import VaultCore
import VaultCrypto

/// Values of tests and vectors, each derived from its name: the same in every run, unlike any other.
enum Chosen {
    static func bytes(_ name: String, _ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var block: UInt8 = 0
        while bytes.count < count {
            bytes += SHA256.hash(prefix: block, Array(name.utf8)).bytes
            block += 1
        }
        return Array(bytes.prefix(count))
    }

    static func key(_ name: String) throws -> GuardedKey {
        try key(of: bytes(name, 32))
    }

    static func key(of bytes: [UInt8]) throws -> GuardedKey {
        try bytes.withUnsafeBytes { try GuardedKey(copying: $0) }
    }

    static func vault(_ name: String = "vault") throws -> VaultID {
        guard let vault = VaultID(bytes: bytes(name, 16)) else { throw Missing.value(name) }
        return vault
    }

    static func place(
        domain: String = "tv.field", vault: String = "vault", owner: Int64 = 7, table: UInt16 = 3,
        column: UInt16 = 5, row: Int64 = 42, generation: UInt64 = 9
    ) throws -> AssociatedData {
        AssociatedData(
            domain: domain, vault: try self.vault(vault), owner: OwnerID(owner), table: table, column: column,
            row: row, generation: generation)
    }
}

/// Something a test needs is not there.
enum Missing: Error { case value(String) }

extension GuardedKey {
    /// The key in the open, for comparison.
    var exposed: [UInt8] { withBytes { Array($0) } }
}

extension SecretBytes {
    /// The secret in the open, for comparison.
    var exposed: [UInt8] { withExposed { $0 } }
    var text: String { String(decoding: exposed, as: UTF8.self) }
}
