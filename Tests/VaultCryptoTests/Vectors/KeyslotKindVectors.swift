import Testing
import VaultCore
@_spi(ChosenNonce) import VaultCrypto

/// The vectors of recovery keys and of key programs in `keyslot.json`.
enum KeyslotKindVectors {
    static func generate() throws -> [Vector] { try recovery() + program() }

    /// 0x01 ‖ public key ‖ the input key sealed to it.
    private static func recovery() throws -> [Vector] {
        let privateKey = Chosen.bytes("recovery private key", 32)
        let parameters = try Keyslot.recoveryParameters(
            Chosen.key("recovery input key"),
            to: RecoveryKey(vault: Chosen.vault(), privateKey: Chosen.key(of: privateKey)).publicKey,
            ephemeral: Chosen.key("ephemeral"))
        let base = try KeyslotVectors.slot("recovery key", .recoveryKey, privateKey, parameters: parameters)
        func edited(_ name: String, _ code: String, _ why: String, _ parameters: [UInt8]) throws -> Vector {
            try base.refused(name, code, why: why, ["parameters": Hex.encode(parameters)])
        }
        let another = try RecoveryKey(vault: Chosen.vault(), privateKey: Chosen.key("another private key"))
        // Whoever can write the row knows both keys here, and seals an input key of theirs to our public key.
        let resealed = try Keyslot.recoveryParameters(
            Chosen.key("chosen by an attacker"), to: Array(parameters[1..<33]),
            ephemeral: Chosen.key("theirs"))
        return try [
            base, edited("another version", "integrity", "malformed", [2] + parameters.dropFirst()),
            edited("cut short", "integrity", "malformed", Array(parameters.dropLast())),
            edited("too long", "integrity", "malformed", parameters + [0]),
            edited("oversize", "integrity", "malformed", parameters + [UInt8](repeating: 0, count: 60_000)),
            edited("no parameters", "integrity", "malformed", []),
            edited(
                "another public key", "locked", "public key",
                [1] + another.publicKey + parameters.dropFirst(33)),
            edited("ephemeral key flipped", "integrity", "box", parameters.flipped(at: 33)),
            edited("box flipped", "integrity", "box", parameters.flipped(at: 112)),
            edited("sealed to it by somebody else", "locked", "commitment", resealed),
            base.refused(
                "another private key", "locked", why: "public key",
                ["source": Hex.encode(Chosen.bytes("another private key", 32))]),
            base.refused(
                "relabelled as a key file", "locked", why: "kind", ["kind": "1", "source_kind": "4"]),
        ]
    }

    /// `source` is what the program answers.
    private static func program() throws -> [Vector] {
        let blob = Chosen.bytes("blob", 44)
        let base = try KeyslotVectors.slot(
            "key program", .program, Chosen.bytes("program key", 32), parameters: [1] + blob)
        func edited(_ name: String, _ code: String, _ why: String, _ parameters: [UInt8]) throws -> Vector {
            try base.refused(name, code, why: why, ["parameters": Hex.encode(parameters)])
        }
        let longest = [1] + Chosen.bytes("longest blob", 4096)
        return try [
            base,
            KeyslotVectors.slot(
                "key program, longest blob", .program, Chosen.bytes("k", 32), parameters: longest),
            edited("one byte more", "integrity", "malformed", longest + [0]),
            edited("no blob", "integrity", "malformed", [1]),
            edited("no parameters", "integrity", "malformed", []),
            edited("another version", "integrity", "malformed", [2] + blob),
            edited(
                "another blob that opens to the same key", "locked", "commitment", [1] + blob.flipped(at: 0)),
            base.refused(
                "another key answered", "locked", why: "commitment",
                ["source": Hex.encode(Chosen.bytes("another program key", 32))]),
        ]
    }
}
