import Testing
import VaultCore
import VaultCrypto

extension Vector {
    /// What a failed expectation shows.
    var title: Comment { Comment(rawValue: self["name"] ?? "a vector without a name") }

    func value(_ name: String) throws -> String {
        guard let value = self[name] else { throw Missing.value(name) }
        return value
    }

    func bytes(_ name: String) throws -> [UInt8] {
        guard let bytes = Hex.decode(try value(name)) else { throw Missing.value(name) }
        return bytes
    }

    func number<Number: FixedWidthInteger>(_ name: String, _: Number.Type = Number.self) throws -> Number {
        guard let number = Number(try value(name)) else { throw Missing.value(name) }
        return number
    }

    func key(_ name: String = "key") throws -> GuardedKey {
        try Chosen.key(of: bytes(name))
    }

    func vault() throws -> VaultID {
        guard let vault = VaultID(bytes: try bytes("vault")) else { throw Missing.value("vault") }
        return vault
    }

    func place() throws -> AssociatedData {
        AssociatedData(
            domain: try value("domain"), vault: try vault(), owner: OwnerID(try number("owner")),
            table: try number("table"), column: try number("column"), row: try number("row"),
            generation: try number("generation"))
    }

    /// The values that ``place()`` reads.
    static func place(
        domain: String = "tv.field", vault: String = "vault", owner: Int64 = 7, table: UInt16 = 3,
        column: UInt16 = 5, row: Int64 = 42, generation: UInt64 = 9
    ) -> Vector {
        [
            "domain": domain, "vault": Hex.encode(Chosen.bytes(vault, 16)), "owner": "\(owner)",
            "table": "\(table)", "column": "\(column)", "row": "\(row)", "generation": "\(generation)",
        ]
    }

    /// This vector with other or further values.
    func with(_ changes: Vector) -> Vector { merging(changes) { _, new in new } }

    /// A vector that differs from this one in `changes` alone, and opens to the same.
    func same(_ name: String, _ changes: Vector) -> Vector {
        let base = self["name"] ?? ""
        return changes.with(["name": "\(base): \(name)", "of": base, "expect": "opens"])
    }

    /// A vector that differs from this one in `changes` alone, and that a reader must refuse.
    func refused(_ name: String, _ code: String, why: String, _ changes: Vector) throws -> Vector {
        let base = try value("name")
        return changes.with(["name": "\(base): \(name)", "of": base, "expect": code, "why": why])
    }
}

extension [UInt8] {
    /// These bytes with the lowest bit of one of them flipped.
    func flipped(at index: Int, bit: Int = 0) -> [UInt8] {
        var bytes = self
        bytes[index] ^= 1 << bit
        return bytes
    }
}

/// The code of the error that `body` throws, or nil if it returns.
func refusal(_ body: () throws -> Void) -> VaultError.Code? {
    do {
        try body()
        return nil
    } catch let error as VaultError {
        return error.code
    } catch {
        return VaultError.Code(rawValue: "not a VaultError: \(error)")
    }
}
