import Testing
import VaultCore
import VaultCrypto

@Suite struct `Section 4: wrapped keys` {
    private let wrapping: GuardedKey
    private let key: GuardedKey

    init() throws {
        wrapping = try Chosen.key("root")
        key = try Chosen.key("owner")
    }

    @Test func `a wrapped key opens under the same key, epoch and place`() throws {
        let record = try KeyWrap.wrap(key, under: wrapping, epoch: 2, for: Chosen.place())
        #expect(record.count == 112)
        #expect(KeyWrap.epoch(of: record) == 2)
        let opened = try KeyWrap.unwrap(record, with: wrapping, epoch: 2, for: Chosen.place())
        #expect(opened.exposed == key.exposed)
    }

    @Test func `a flipped bit anywhere is refused`() throws {
        let place = try Chosen.place()
        let record = KeyWrap.wrap(key, under: wrapping, epoch: 2, for: place)
        for index in record.indices {
            for bit in 0..<8 {
                let edited = record.flipped(at: index, bit: bit)
                let code = refusal { _ = try KeyWrap.unwrap(edited, with: wrapping, epoch: 2, for: place) }
                #expect(code == .integrity, "bit \(bit) of byte \(index)")
            }
        }
    }

    @Test func `another wrapping key, epoch, owner or length is refused`() throws {
        let place = try Chosen.place()
        let elsewhere = try Chosen.place(owner: 8)
        let stranger = try Chosen.key("stranger")
        let record = KeyWrap.wrap(key, under: wrapping, epoch: 2, for: place)
        let attempts: [() throws -> GuardedKey] = [
            { try KeyWrap.unwrap(record, with: stranger, epoch: 2, for: place) },
            { try KeyWrap.unwrap(record, with: wrapping, epoch: 1, for: place) },
            { try KeyWrap.unwrap(record, with: wrapping, epoch: 3, for: place) },
            { try KeyWrap.unwrap(record, with: wrapping, epoch: 2, for: elsewhere) },
            { try KeyWrap.unwrap(record + [0], with: wrapping, epoch: 2, for: place) },
            { try KeyWrap.unwrap([], with: wrapping, epoch: 2, for: place) },
        ]
        for attempt in attempts { #expect(refusal { _ = try attempt() } == .integrity) }
        #expect(KeyWrap.epoch(of: Array(record.dropLast())) == nil)
    }

    @Test func `a wrap is no sealed field, and a sealed field is no wrap`() throws {
        let place = try Chosen.place()
        let wrap = KeyWrap.wrap(key, under: wrapping, epoch: 1, for: place)
        let owner = OwnerKey(version: 1, key: wrapping)
        let field = try SealedField.seal(key.exposed, under: owner, for: place, padded: false)
        #expect(wrap.count == field.count)
        #expect(refusal { _ = try SealedField.open(wrap, with: owner, for: place) } == .integrity)
        #expect(refusal { _ = try KeyWrap.unwrap(field, with: wrapping, epoch: 1, for: place) } == .integrity)
    }
}
