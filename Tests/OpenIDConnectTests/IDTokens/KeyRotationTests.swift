import OpenIDConnect
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultCore

/// RFC 7517 and OpenID Connect Core section 10.1.1: a retired key stays published while its tokens live.
@Suite(.bounded) struct `OpenID Connect Core section 10.1.1, rotation of signing keys` {
    @Test(arguments: SigningAlgorithm.allCases)
    func `oidcc-server-rotate-keys: a token verifies until its end, and its key goes after`(
        _ algorithm: SigningAlgorithm
    ) async throws {
        try await KeyVault.run { place in
            let keys = VaultSigningKeys(place.vault)
            try await keys.prepare([algorithm])
            let old = try await keys.mint(.example(at: place.clock.now()), algorithm: algorithm)
            let oldName = try ReadToken(old).kid
            let newName = try await keys.rotate(algorithm)
            #expect(newName != oldName)
            // A client that fetched the keys a moment ago knows the key of the next token.
            #expect(try ReadToken.members(of: try await keys.keySet()).count == 2)
            place.clock.advance(by: VaultSigningKeys.announcement - .milliseconds(1))
            let last = try await keys.mint(.example(at: place.clock.now()), algorithm: algorithm)
            #expect(try ReadToken(last).kid == oldName)
            place.clock.advance(by: .milliseconds(1))
            let new = try await keys.mint(.example(at: place.clock.now()), algorithm: algorithm)
            #expect(try ReadToken(new).kid == newName)
            #expect(try await ReadToken.verifies(old, with: try await keys.keySet()))
            #expect(try await ReadToken.verifies(new, with: try await keys.keySet()))
            // The longest a token of the old key can live.
            place.clock.advance(by: IDTokenClaims.longestLife)
            #expect(try await ReadToken.verifies(last, with: try await keys.keySet()))
            place.clock.advance(
                by: VaultSigningKeys.overlap - VaultSigningKeys.announcement - IDTokenClaims.longestLife
                    - .seconds(1))
            #expect(try await ReadToken.verifies(old, with: try await keys.keySet()))
            place.clock.advance(by: .seconds(1))
            #expect(try await !ReadToken.verifies(old, with: try await keys.keySet()))
            #expect(try await ReadToken.verifies(new, with: try await keys.keySet()))
            #expect(try ReadToken.members(of: try await keys.keySet()).count == 1)
        }
    }

    @Test func `after a leak no old key stays, those retired before neither`() async throws {
        try await KeyVault.run { place in
            let keys = VaultSigningKeys(place.vault)
            try await keys.prepare([.es256, .edDSA])
            let old = try await keys.mint(.example(at: place.clock.now()), algorithm: .es256)
            let other = try await keys.mint(.example(at: place.clock.now()), algorithm: .edDSA)
            try await keys.rotate(.es256)
            let newest = try await keys.rotate(.es256, overlap: .zero)
            let members = try ReadToken.members(of: try await keys.keySet())
            #expect(members.count == 2)
            #expect(try await !ReadToken.verifies(old, with: try await keys.keySet()))
            #expect(try await ReadToken.verifies(other, with: try await keys.keySet()))
            let new = try await keys.mint(.example(at: place.clock.now()), algorithm: .es256)
            #expect(try ReadToken(new).kid == newest)
        }
    }

    @Test func `the overlap is longer than a key is announced and any id_token lives`() {
        #expect(
            VaultSigningKeys.overlap >= VaultSigningKeys.announcement + IDTokenClaims.longestLife)
    }

    @Test func `a key that stays published for less than a token lives signs none`() async throws {
        try await KeyVault.run { place in
            let keys = VaultSigningKeys(place.vault)
            try await keys.prepare([.edDSA])
            for overlap in [Duration.seconds(1800), .zero] {
                let name = try await keys.rotate(.edDSA, overlap: overlap)
                let token = try await keys.mint(.example(at: place.clock.now()), algorithm: .edDSA)
                #expect(try ReadToken(token).kid == name)
                place.clock.advance(by: .seconds(7200))
            }
        }
    }

    @Test func `of keys that are announced one after the other each signs when its hour is over`()
        async throws
    {
        try await KeyVault.run { place in
            let keys = VaultSigningKeys(place.vault)
            try await keys.prepare([.edDSA])
            func signer() async throws -> String? {
                try ReadToken(
                    try await keys.mint(.example(at: place.clock.now()), algorithm: .edDSA)
                ).kid
            }
            let first = try await signer()
            let second = try await keys.rotate(.edDSA)
            place.clock.advance(by: .seconds(1800))
            let third = try await keys.rotate(.edDSA)
            #expect(try await signer() == first)
            place.clock.advance(by: .seconds(1800))
            #expect(try await signer() == second)
            place.clock.advance(by: .seconds(1800))
            #expect(try await signer() == third)
        }
    }

    @Test func `a rotation in one process is seen by the next token of another`() async throws {
        try await KeyVault.run { place in
            let (here, there) = (VaultSigningKeys(place.vault), VaultSigningKeys(try await place.second()))
            try await here.prepare([.edDSA])
            let claims = IDTokenClaims.example(at: place.clock.now())
            let before = try ReadToken(try await there.mint(claims, algorithm: .edDSA)).kid
            for _ in 0..<3 {
                let name = try await here.rotate(.edDSA)
                #expect(name != before)
                place.clock.advance(by: VaultSigningKeys.announcement)
                #expect(try ReadToken(try await there.mint(claims, algorithm: .edDSA)).kid == name)
            }
            #expect(try ReadToken.members(of: try await there.keySet()).count == 4)
        }
    }

    @Test func `the rotation of one algorithm leaves the others alone`() async throws {
        try await KeyVault.run { place in
            let keys = VaultSigningKeys(place.vault)
            try await keys.prepare([.es256, .edDSA])
            let claims = IDTokenClaims.example(at: place.clock.now())
            let before = try ReadToken(try await keys.mint(claims, algorithm: .es256)).kid
            try await keys.rotate(.edDSA)
            #expect(try ReadToken(try await keys.mint(claims, algorithm: .es256)).kid == before)
            #expect(try await keys.algorithms() == [.es256, .edDSA])
        }
    }

    @Test func `tokens signed while keys rotate all verify`() async throws {
        try await KeyVault.run { place in
            let keys = VaultSigningKeys(place.vault)
            try await keys.prepare([.es256])
            let claims = IDTokenClaims.example(at: place.clock.now())
            let tokens = try await withThrowingTaskGroup(of: SecretBytes?.self) { group in
                for number in 0..<64 {
                    group.addTask {
                        if number % 8 == 0 { try await keys.rotate(.es256) }
                        return try await keys.mint(claims, algorithm: .es256)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }.compactMap { $0 }
            }
            let published = try await keys.keySet()
            for token in tokens { #expect(try await ReadToken.verifies(token, with: published)) }
            #expect(tokens.count == 64)
        }
    }
}
