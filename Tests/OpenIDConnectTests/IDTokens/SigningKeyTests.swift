import Foundation
import OpenIDConnect
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultCore

/// The keys of id_tokens: made once, sealed, published without their private half.
@Suite(.bounded) struct `OpenID Connect Core section 10.1, signing keys` {
    @Test func `the first start makes a key for each algorithm, and the next none`() async throws {
        try await KeyVault.run { place in
            let keys = VaultSigningKeys(place.vault)
            #expect(try await keys.algorithms() == [])
            try await keys.prepare([.es256])
            #expect(try await keys.algorithms() == [.es256])
            try await keys.prepare()
            #expect(try await keys.algorithms() == SigningAlgorithm.allCases)
            let first = try await keys.keySet()
            try await keys.prepare()
            #expect(try await keys.keySet() == first)
            #expect(try ReadToken.members(of: first).count == 3)
        }
    }

    @Test func `of two processes that start at once, one makes the first key`() async throws {
        try await KeyVault.run { place in
            let other = try await place.second()
            async let here: Void = VaultSigningKeys(place.vault).prepare([.es256, .edDSA])
            async let there: Void = VaultSigningKeys(other).prepare([.es256, .edDSA])
            _ = try await (here, there)
            let published = try await VaultSigningKeys(place.vault).keySet()
            #expect(try ReadToken.members(of: published).count == 2)
            #expect(try await VaultSigningKeys(other).keySet() == published)
            await other.close()
        }
    }

    @Test func `the key set has public members alone`() async throws {
        try await KeyVault.run { place in
            let keys = VaultSigningKeys(place.vault)
            try await keys.prepare()
            let common: Set = ["kty", "use", "alg", "kid"]
            let own: [String: Set<String>] = [
                "RS256": ["n", "e"], "ES256": ["crv", "x", "y"], "EdDSA": ["crv", "x"],
            ]
            for jwk in try ReadToken.members(of: try await keys.keySet()) {
                let algorithm = try #require(jwk["alg"] as? String)
                #expect(Set(jwk.keys) == common.union(try #require(own[algorithm])))
                #expect(jwk["use"] as? String == "sig")
                if algorithm == "RS256" {
                    #expect(Published.octets(try #require(jwk["n"] as? String)).count == 256)
                    #expect(jwk["e"] as? String == "AQAB")
                }
            }
            // What we publish, others may register with us.
            try ClientKeySet.check(String(decoding: try await keys.keySet(), as: UTF8.self))
        }
    }

    @Test func `no private key is in the files`() async throws {
        try await KeyVault.run { place in
            try await VaultSigningKeys(place.vault).prepare()
            let files = try place.files()
            #expect(files.contains { $0.count > 4096 })
            for key in try await place.vault.signingKeys() {
                let octets = key.privateKey.withExposed { Data($0) }
                // Of an RSA key, its primes: the numbers before them are public.
                let part = key.algorithm == .rs256 ? octets.subdata(in: 700..<732) : octets
                for file in files { #expect(file.range(of: part) == nil, "\(key.algorithm)") }
                let isSpelled = files.contains {
                    $0.range(of: Data(Published.base64URL(Array(part)).utf8)) != nil
                }
                #expect(!isSpelled)
            }
        }
    }

    @Test func `a key is there after a restart`() async throws {
        try await KeyVault.run { place in
            let keys = VaultSigningKeys(place.vault)
            try await keys.prepare()
            let published = try await keys.keySet()
            await place.vault.close()
            let vault = try await place.second()
            let restarted = VaultSigningKeys(vault)
            try await restarted.prepare()
            #expect(try await restarted.keySet() == published)
            for algorithm in SigningAlgorithm.allCases {
                let token = try await restarted.mint(.example(at: place.clock.now()), algorithm: algorithm)
                #expect(try await ReadToken.verifies(token, with: published))
            }
            await vault.close()
        }
    }

    @Test func `without a key of its algorithm a token is not signed with another`() async throws {
        try await KeyVault.run { place in
            let keys = VaultSigningKeys(place.vault)
            try await keys.prepare([.es256])
            await #expect(throws: VaultError(.unavailable, "")) {
                try await keys.mint(.example(at: place.clock.now()), algorithm: .rs256)
            }
        }
    }
}
