import Foundation
import Testing
import VaultCore
import VaultCrypto

@Suite struct `Subjects: one for each user of a vault, for good` {
    /// From Python: `hashlib.blake2b(vault + owner.to_bytes(8, "big"), digest_size=16, person=b"tv.subject")`.
    @Test(arguments: [
        (Int64(2), "u_18AMmurSoDPPzxWoWFzEWQ"), (3, "u_XPNfIAbgRf699CyYJnImZQ"),
        (1 << 40, "u_quXIHEgVy5v9zqqa486bGA"),
    ])
    func `a second implementation gives the same`(_ owner: Int64, _ subject: String) throws {
        let vault = try #require(VaultID(bytes: Array(0..<16)))
        #expect(SubjectIdentifier.of(OwnerID(owner), in: vault) == subject)
    }

    @Test func `users of one number in two vaults have two`() throws {
        let one = try #require(VaultID(bytes: Array(0..<16)))
        let other = try #require(VaultID(bytes: Array(1..<17)))
        #expect(SubjectIdentifier.of(OwnerID(2), in: one) != SubjectIdentifier.of(OwnerID(2), in: other))
    }
}

@Suite struct `Password verifiers` {
    @Test func `the password matches and nothing near it does`() throws {
        let verifier = try PasswordVerifier(hashing: Secret(copying: "correct horse"))
        let read = try #require(PasswordVerifier(bytes: verifier.bytes))
        #expect(try read.matches(Secret(copying: "correct horse")))
        #expect(try !read.matches(Secret(copying: "correct horse ")))
        #expect(try !read.matches(Secret(copying: "")))
        #expect(try !read.matches(Secret([UInt8](repeating: 0x61, count: 1025))))
    }

    @Test func `one password hashed twice gives two verifiers, and a decoy matches nothing`() throws {
        let password = SecretBytes(copying: "correct horse")
        let first = try PasswordVerifier(hashing: password)
        #expect(try first.bytes != PasswordVerifier(hashing: password).bytes)
        #expect(try !PasswordVerifier.decoy().matches(password))
        // What an overlong password is replaced with must not match either.
        let decoy = try PasswordVerifier(hashing: Secret(copying: "decoy"))
        #expect(try !decoy.matches(Secret([UInt8](repeating: 0x61, count: 2000))))
        #expect(try !decoy.matches(Secret([0])))
    }

    /// Typed on two systems: composed and decomposed, with the spaces of either.
    @Test func `one password in two forms is one password, and case counts`() throws {
        let composed = "Größe žluťoučký"
        let decomposed = composed.decomposedStringWithCanonicalMapping
        for (kept, typed) in [(composed, decomposed), (decomposed, composed)] {
            let verifier = try PasswordVerifier(hashing: Secret(copying: kept))
            #expect(try verifier.matches(Secret(copying: typed)))
            #expect(try verifier.matches(Secret(copying: typed.replacing(" ", with: "\u{A0}"))))
            #expect(try !verifier.matches(Secret(copying: typed.uppercased())))
            #expect(try !verifier.matches(Secret(Array(typed.utf8) + [0xFF])))
        }
    }

    @Test(arguments: [[], [0x61, 9], [0x61, 0], [0xFF, 0xFE], [0xED, 0xA0, 0x80], Array("\u{378}".utf8)])
    func `what no person types is no password, and the refusal does not repeat it`(_ octets: [UInt8]) {
        #expect(refusal { _ = try PasswordVerifier(hashing: SecretBytes(octets)) } == .invalidInput)
    }

    @Test(arguments: [
        // Passes and memory: below the floor, above the ceiling, another algorithm.
        (1, [0, 0, 0, 2]), (1, [0, 0, 0, 11]), (5, [0, 0, 0xFF, 0xFF]), (5, [0, 0x10, 0, 1]), (0, [2]),
        (1, [0xFF, 0xFF, 0xFF, 0xFF]),
    ])
    func `a cost that we do not write is refused before hashing`(_ place: Int, _ octets: [UInt8]) throws {
        var bytes = PasswordVerifier.decoy().bytes
        #expect(PasswordVerifier(bytes: bytes) != nil)
        bytes.replaceSubrange(place..<place + octets.count, with: octets)
        #expect(PasswordVerifier(bytes: bytes) == nil)
        #expect(PasswordVerifier(bytes: Array(bytes.dropLast())) == nil)
    }
}
