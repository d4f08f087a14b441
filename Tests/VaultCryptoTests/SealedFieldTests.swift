import TestSupport
import Testing
import VaultCore
import VaultCrypto

@Suite struct `P7: a sealed field opens in its place alone` {
    private let key: OwnerKey

    init() throws {
        key = OwnerKey(version: 3, key: try Chosen.key("owner"))
    }

    @Test(arguments: [0, 1, 31, 255, 256, 257, 4095, 4096, 4097, 5119, 5120, 65535, 65536], [false, true])
    func `what was sealed opens again`(_ count: Int, _ padded: Bool) throws {
        let plaintext =
            Chosen.bytes("plaintext", min(count, 8000)) + [UInt8](repeating: 0, count: max(0, count - 8000))
        let record = try SealedField.seal(plaintext, under: key, for: Chosen.place(), padded: padded)
        #expect(try SealedField.open(record, with: key, for: Chosen.place()) == plaintext)
    }

    @Test func `a flipped bit anywhere is refused`() throws {
        let record = try SealedField.seal([1, 2, 3], under: key, for: Chosen.place(), padded: true)
        for index in record.indices {
            for bit in 0..<8 {
                let code = try refusal(of: record.flipped(at: index, bit: bit))
                #expect(code == .integrity, "bit \(bit) of byte \(index)")
            }
        }
    }

    @Test func `a truncated record is refused`() throws {
        let record = try SealedField.seal([1, 2, 3], under: key, for: Chosen.place(), padded: false)
        for count in record.indices { #expect(try refusal(of: Array(record.prefix(count))) == .integrity) }
    }

    @Test func `random octets are refused`() throws {
        var generator = SeededGenerator("SealedFieldTests")
        let seed = generator.seed
        for _ in 0..<2000 {
            var record = generator.bytes(Int.random(in: 0...400, using: &generator))
            if record.count > 8, Bool.random(using: &generator) {
                record.replaceSubrange(0..<8, with: [1, 1, 0, 1, 0, 0, 0, 3])
            }
            #expect(try refusal(of: record) == .integrity, "seed \(seed)")
        }
    }

    @Test func `a record that was moved is refused`() throws {
        let record = try SealedField.seal([1, 2, 3], under: key, for: Chosen.place(), padded: false)
        let elsewhere = try [
            Chosen.place(domain: "tv.other"), Chosen.place(vault: "another"), Chosen.place(owner: 8),
            Chosen.place(table: 4), Chosen.place(column: 6), Chosen.place(row: 43), Chosen.place(row: -42),
            Chosen.place(generation: 8), Chosen.place(generation: 10),
        ]
        for place in elsewhere {
            #expect(
                VaultCryptoTests.refusal { _ = try SealedField.open(record, with: key, for: place) }
                    == .integrity)
        }
    }

    @Test func `another key, or the key under another version, is refused`() throws {
        let record = try SealedField.seal([1, 2, 3], under: key, for: Chosen.place(), padded: false)
        for other in [
            OwnerKey(version: 3, key: try Chosen.key("stranger")), OwnerKey(version: 2, key: key.key),
            OwnerKey(version: 4, key: key.key),
        ] {
            let place = try Chosen.place()
            #expect(
                VaultCryptoTests.refusal { _ = try SealedField.open(record, with: other, for: place) }
                    == .integrity)
        }
    }

    @Test func `a record names the version of its key`() throws {
        let record = try SealedField.seal([], under: key, for: Chosen.place(), padded: false)
        #expect(SealedField.ownerKeyVersion(of: record) == 3)
        #expect(SealedField.ownerKeyVersion(of: Array(record.dropLast())) == nil)
        #expect(SealedField.ownerKeyVersion(of: []) == nil)
    }

    @Test func `one value sealed twice gives two unlike records`() throws {
        let first = try SealedField.seal([1, 2, 3], under: key, for: Chosen.place(), padded: false)
        let second = try SealedField.seal([1, 2, 3], under: key, for: Chosen.place(), padded: false)
        #expect(first[8...] != second[8...])
        #expect(first[32..<64] != second[32..<64])
    }

    @Test func `padding hides a length within its bucket`() throws {
        func count(_ length: Int) throws -> Int {
            let plaintext = [UInt8](repeating: 7, count: length)
            return try SealedField.seal(plaintext, under: key, for: Chosen.place(), padded: true).count
                - SealedField.overhead
        }
        #expect(try [0, 1, 255].map(count) == [256, 256, 256])
        #expect(try [256, 511].map(count) == [512, 512])
        #expect(try [3840, 4095].map(count) == [4096, 4096])
        #expect(try [4096, 5119].map(count) == [5120, 5120])
        #expect(try count(5120) == 6144)
    }

    @Test func `a value over its limit is refused and nothing is sealed`() throws {
        let tooMuch = [UInt8](repeating: 1, count: Limits.sealedFieldBytes + 1)
        let place = try Chosen.place()
        let code = VaultCryptoTests.refusal {
            _ = try SealedField.seal(tooMuch, under: key, for: place, padded: true)
        }
        #expect(code == .invalidInput)
        let record = try SealedField.seal(
            tooMuch, under: key, for: place, padded: true, limit: Limits.sealedReplyBytes)
        #expect(
            try SealedField.open(record, with: key, for: place, limit: Limits.sealedReplyBytes) == tooMuch)
        #expect(try refusal(of: record) == .integrity)
    }

    private func refusal(of record: [UInt8]) throws -> VaultError.Code? {
        let place = try Chosen.place()
        return VaultCryptoTests.refusal { _ = try SealedField.open(record, with: key, for: place) }
    }
}
