import Foundation
import TestSupport
import Testing
import TokenVault
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `A backup that was touched is found out` {
    private struct Scene {
        let test: TestVault
        let kept: TestVault.Kept
    }

    private func scene(_ name: String = "app") async throws -> Scene {
        let test = try await TestVault()
        let party = try await Party(test.vault, name)
        _ = try await party.begin()
        return Scene(test: test, kept: try await test.backUp())
    }

    private func error(_ scene: Scene, data: String? = nil, keys: String? = nil) async -> VaultError? {
        do {
            let verification = try await Backup.verify(
                data ?? scene.kept.data, keys: keys ?? scene.kept.keys, unlockedBy: scene.test.source)
            return verification.isIntact ? nil : VaultError(.integrity, "found")
        } catch { return error as? VaultError }
    }

    @Test func `bits of the data, each flipped alone, are each found without the key`() async throws {
        let scene = try await scene()
        var random = SeededGenerator("ContainerTamperTests")
        let path = scene.kept.data
        let count = try scene.test.bytes(path).count
        var unnoticed: [Int] = []
        for round in 0..<Effort.rounds(1000, nightly: 5000) {
            // The head is short, and every bit of it matters.
            let place = Int.random(in: 0..<(round.isMultiple(of: 2) ? 700 : count), using: &random)
            let bit = UInt8(1) << UInt8.random(in: 0..<8, using: &random)
            try flip(bit, at: place, of: path)
            do {
                if try await Backup.inspect(path).isWhole { unnoticed.append(place) }
            } catch let error as VaultError {
                if ![.integrity, .notAVault].contains(error.code) { unnoticed.append(place) }
            }
            try flip(bit, at: place, of: path)
        }
        #expect(try await Backup.inspect(path).isWhole)
        #expect(unnoticed.isEmpty)
    }

    @Test func `with the footer made to fit, each is found by the key`() async throws {
        let scene = try await scene()
        var random = SeededGenerator("ContainerTamperTests")
        let path = scene.test.directory + "/forged"
        let bytes = try scene.test.bytes(scene.kept.data)
        for round in 0..<300 {
            var forged = bytes
            let place = Int.random(in: 0..<(round.isMultiple(of: 2) ? 700 : bytes.count - 32), using: &random)
            forged[place] ^= UInt8(1) << UInt8.random(in: 0..<8, using: &random)
            forged.replaceSubrange((bytes.count - 32)..., with: Self.footer(of: forged))
            try scene.test.write(forged, to: path)
            let error = await error(scene, data: path)
            #expect(
                [.integrity, .notAVault, .locked].contains(error?.code), "byte \(place): \(error as Any)")
        }
    }

    @Test func `a part cut, moved, doubled, or taken from another backup is found`() async throws {
        let scene = try await scene()
        let bytes = try scene.test.bytes(scene.kept.data)
        let other = try scene.test.bytes(try await scene.test.backUp("other").data)
        let width = 64 * 1024 + 16
        // Behind the note, whose length stands before it, and the commitment.
        let start = 340 + bytes[336..<340].reduce(0) { $0 << 8 | Int($1) } + 32
        func part(_ index: Int, _ source: [UInt8]) -> ArraySlice<UInt8> {
            source[(start + index * width)..<(start + (index + 1) * width)]
        }
        var changed: [[UInt8]] = [
            Array(bytes.dropLast()), Array(bytes.dropLast(width)), bytes + [0], [], Array(bytes.prefix(50)),
        ]
        var swapped = bytes
        swapped.replaceSubrange(start..<(start + width), with: part(1, bytes))
        swapped.replaceSubrange((start + width)..<(start + 2 * width), with: part(0, bytes))
        var spliced = bytes
        spliced.replaceSubrange(start..<(start + width), with: part(0, other))
        var doubled = bytes
        doubled.replaceSubrange(start..<(start + width), with: part(1, bytes))
        for forged in [swapped, spliced, doubled] {
            changed.append(forged.dropLast(32) + Self.footer(of: forged))
        }
        let path = scene.test.directory + "/changed"
        for (index, forged) in changed.enumerated() {
            try scene.test.write(forged, to: path)
            let error = await error(scene, data: path)
            #expect([.integrity, .notAVault].contains(error?.code), "\(index): \(error as Any)")
        }
    }

    @Test func `2,000 bits of the keys, each flipped alone, are each found`() async throws {
        let scene = try await scene()
        let path = scene.kept.keys
        let count = try scene.test.bytes(path).count
        var random = SeededGenerator("ContainerTamperTests")
        for _ in 0..<2000 {
            let place = Int.random(in: 0..<count, using: &random)
            let bit = UInt8(1) << UInt8.random(in: 0..<8, using: &random)
            try flip(bit, at: place, of: path)
            #expect(throws: VaultError.self) { try Backup.inspectKeys(path) }
            try flip(bit, at: place, of: path)
        }
        _ = try Backup.inspectKeys(path)
    }

    @Test(.ofFiles) func `others' keys and a wrong key file open nothing`() async throws {
        let scene = try await scene()
        let foreign = try await self.scene("other")
        #expect(await error(scene, keys: foreign.kept.keys)?.code == .locked)
        #expect(await error(scene, data: foreign.kept.data)?.code == .locked)
        #expect(await error(scene, keys: scene.kept.data)?.code == .notAVault)
        #expect(await error(scene, data: scene.kept.keys)?.code == .notAVault)
        #expect(await error(scene, data: scene.test.path)?.code == .notAVault)
        #expect(await error(scene, data: scene.test.directory)?.code == .notAVault)
        await #expect(throws: VaultError(.locked, "")) {
            try await Backup.verify(
                scene.kept.data, keys: scene.kept.keys, unlockedBy: foreign.test.source)
        }
        #expect(await error(scene) == nil)
    }

    private func flip(_ bit: UInt8, at place: Int, of path: String) throws {
        let file = try FileHandle(forUpdating: URL(filePath: path))
        defer { try? file.close() }
        try file.seek(toOffset: UInt64(place))
        let byte = try #require(try file.read(upToCount: 1)?.first)
        try file.seek(toOffset: UInt64(place))
        try file.write(contentsOf: Data([byte ^ bit]))
    }

    private static func footer(of bytes: [UInt8]) -> [UInt8] { SHA256.hash(Array(bytes.dropLast(32))).bytes }
}
