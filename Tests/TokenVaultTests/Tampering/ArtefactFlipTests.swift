import Foundation
import MerkleLog
import TestSupport
import Testing
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto

@Suite(.bounded) struct `One bit turned in what leaves the vault is found` {
    @Test func `bits of exported tiles, by a reader that recomputes the root`() async throws {
        let log = try await Log(entries: 262)
        let directory = log.test.directory + "/tiles"
        _ = try await log.vault.log.exportTiles(to: directory)
        let export = try Export(directory, key: try #require(NoteKey(vkey: log.vkey)))
        #expect(export.problem(of: nil, in: nil) == nil)
        var random = SeededGenerator(seed: 0x7A3)
        let names = export.files.keys.sorted()
        for _ in 0..<Effort.rounds(800, nightly: 3000) {
            let name = names[Int.random(in: 0..<names.count, using: &random)]
            let bytes = try #require(export.files[name])
            let bit = Int.random(in: 0..<bytes.count * 8, using: &random)
            #expect(export.problem(of: name, in: bytes.flipped(bit)) != nil, "\(name), bit \(bit)")
        }
    }

    @Test func `3,000 bits of a proof`() async throws {
        let log = try await Log(entries: 300)
        let proof = try await log.proof(of: 100)
        _ = try AuditProof.check(proof, verifierKey: log.vkey)
        for bit in proof.bits(3000, seed: 0x7A4) {
            #expect(throws: VaultError.self, "bit \(bit)") {
                try AuditProof.check(proof.flipped(bit), verifierKey: log.vkey)
            }
        }
    }

    @Test func `every bit of a keyslot, whoever opens it`() throws {
        let bench = try Workbench()
        let file = bench.directory + "/key"
        try Vault.createKeyFile(at: file)
        let vault = try #require(VaultID(bytes: Array(0..<16)))
        let recovery = try RecoveryKey.generate(for: vault)
        for source in [KeySource.keyFile(path: file), .recoveryKey(recovery)] {
            let slot = try Keyslot.create(source, wrapping: .random(), epoch: 1, vault: vault)
            _ = try Keyslot.open(slot, with: source, vault: vault)
            let parts = slot.id + slot.parameters + slot.wrapped
            for bit in 0..<parts.count * 8 {
                let flipped = parts.flipped(bit)
                let parameters = 16..<16 + slot.parameters.count
                let record = KeyslotRecord(
                    id: Array(flipped[..<16]), kind: slot.kind, epoch: slot.epoch,
                    parameters: Array(flipped[parameters]), wrapped: Array(flipped[parameters.upperBound...]))
                #expect(throws: VaultError.self, "\(slot.kind), bit \(bit)") {
                    try Keyslot.open(record, with: source, vault: vault)
                }
            }
            for bit in 0..<32 {
                let record = KeyslotRecord(
                    id: slot.id, kind: slot.kind, epoch: slot.epoch ^ 1 << UInt32(bit),
                    parameters: slot.parameters, wrapped: slot.wrapped)
                #expect(throws: VaultError.self) { try Keyslot.open(record, with: source, vault: vault) }
            }
        }
    }
}

/// An exported log as an outsider checks it: signature, entries, tiles and root; bundles of the original are hashed once.
private struct Export {
    let files: [String: [UInt8]]
    private let key: NoteKey
    private let known: [String: [Digest]]

    init(_ directory: String, key: NoteKey) throws {
        let walker = try #require(FileManager.default.enumerator(atPath: directory))
        var files: [String: [UInt8]] = [:]
        for case let name as String in walker {
            var isDirectory: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: directory + "/" + name, isDirectory: &isDirectory)
            guard !isDirectory.boolValue else { continue }
            files[name] = Array(try Data(contentsOf: URL(filePath: directory + "/" + name)))
        }
        self.files = files
        self.key = key
        known = files.filter { $0.key.hasPrefix("tile/entries/") }.compactMapValues(Self.hashes)
    }

    /// Nil: the export, with one file replaced, is what the key signed.
    func problem(of name: String?, in bytes: [UInt8]?) -> String? {
        var files = files
        if let name { files[name] = bytes }
        guard let note = files["checkpoint"], let checkpoint = try? Checkpoint.read(note, signedBy: key)
        else {
            return "checkpoint"
        }
        var edge = RightEdge()
        var levels: [[UInt8]] = []
        for bundle in files.keys.filter({ $0.hasPrefix("tile/entries/") }).sorted() {
            let hashes = bundle == name ? Self.hashes(files[bundle] ?? []) : known[bundle]
            guard let hashes else { return bundle }
            let tile = bundle.replacing("tile/entries/", with: "tile/0/")
            guard files[tile] == hashes.flatMap(\.bytes) else { return tile }
            for hash in hashes { if let full = edge.append(hash) { levels.append(full.bytes) } }
        }
        let above = files.filter { $0.key.hasPrefix("tile/1/") }
        guard above.count == 1, above.values.first == levels.flatMap({ $0 }) else { return "tile/1" }
        return edge.size == checkpoint.size && edge.root == checkpoint.root ? nil : "root"
    }

    private static func hashes(_ bundle: [UInt8]) -> [Digest]? {
        var rest = bundle[...]
        var hashes: [Digest] = []
        while !rest.isEmpty {
            guard rest.count >= 2 else { return nil }
            let count = Int(rest.removeFirst()) << 8 | Int(rest.removeFirst())
            guard rest.count >= count else { return nil }
            hashes.append(MerkleHash.leaf(Array(rest.prefix(count))))
            rest = rest.dropFirst(count)
        }
        return hashes
    }
}
