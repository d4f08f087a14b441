import TestSupport
import Testing
import VaultCore
import VaultCrypto

@Suite(.bounded) struct `P5: keys in guarded memory` {
    @Test func `a key is what was copied in, and 32 bytes long`() throws {
        let bytes = Chosen.bytes("key", 32)
        #expect(try Chosen.key(of: bytes).exposed == bytes)
        for count in [0, 31, 33] {
            #expect(refusal { _ = try Chosen.key(of: Chosen.bytes("key", count)) } == .invalidInput)
        }
    }

    @Test func `random keys are unlike, over more than one region of memory`() {
        let keys = (0..<1500).map { _ in GuardedKey.random() }
        #expect(Set(keys.map(\.exposed)).count == keys.count)
    }

    @Test func `the memory of a key that went holds that key no more`() {
        var key: GuardedKey? = .random()
        let before = key?.exposed
        let memory = key?.withBytes { $0 }
        key = nil
        #expect(memory.map { Array($0) } != before)
    }

    @Test func `keys made and dropped by many tasks stay apart`() async {
        await withTaskGroup(of: Bool.self) { group in
            for task in 0..<8 {
                group.addTask {
                    (0..<500).allSatisfy { round in
                        let bytes = Chosen.bytes("\(task) \(round)", 32)
                        return (try? Chosen.key(of: bytes))?.exposed == bytes
                    }
                }
            }
            for await intact in group { #expect(intact) }
        }
    }

    @Test func `wiping empties an array`() {
        var bytes = Chosen.bytes("secret", 64)
        Sodium.wipe(&bytes)
        #expect(bytes.isEmpty)
        Sodium.wipe(&bytes)
        #expect(bytes.isEmpty)
    }

    @Test func `libsodium starts, again and again`() throws {
        try Sodium.start()
        try Sodium.start()
    }

    @Test func `randomness has the length asked for and does not repeat`() {
        let random = SystemRandom()
        #expect([0, 1, 24, 1000].map { random.bytes($0).count } == [0, 1, 24, 1000])
        #expect(Set((0..<1000).map { _ in random.bytes(16) }).count == 1000)
    }

    @Test func `comparison sees any difference, of content or length`() {
        let bytes = Chosen.bytes("value", 32)
        #expect(ConstantTime.equal(bytes, Chosen.bytes("value", 32)))
        #expect(ConstantTime.equal([], []))
        #expect(!ConstantTime.equal(bytes, Array(bytes.dropLast())))
        #expect(!ConstantTime.equal([], bytes))
        for index in bytes.indices { #expect(!ConstantTime.equal(bytes, bytes.flipped(at: index))) }
    }
}
