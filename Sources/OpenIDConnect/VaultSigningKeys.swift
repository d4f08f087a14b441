import Foundation
import JOSE
import Synchronization
public import TokenIssuer
public import TokenVault
public import VaultCore

/// The keys that sign id_tokens: sealed in the vault, and published as a JWK Set.
///
/// ```swift
/// let keys = VaultSigningKeys(vault)
/// try await keys.prepare()
/// let issuer = TokenIssuer(vault: vault, issuer: "https://id.example", idTokens: keys)
/// ```
///
/// A key is chosen by the algorithm that the client is registered for, and is always named (`kid`) in the token. A key
/// that another process made or rotated is seen at the next token.
public final class VaultSigningKeys: IDTokenMinting {
    /// The time a retired key stays in the key set. A token it signed lives
    /// ``/TokenIssuer/IDTokenClaims/longestLife`` at most; the rest of the day is for those who look at a
    /// token late, as `id_token_hint`, and for copies of the key set in caches.
    public static let overlap = Duration.seconds(86_400)
    /// The time a new key is published before it signs: longer than a copy of the key set may be kept (`max-age`), so that a
    /// client with a copy finds the key of the next token in it.
    public static let announcement = Duration.seconds(3600)

    private let vault: Vault
    /// Keys read before, by `kid`: reading an RSA key takes as long as signing with it.
    private let ready = Mutex<[String: PrivateSigningKey]>([:])

    public init(_ vault: Vault) {
        self.vault = vault
    }

    /// Makes a key for each of `algorithms` that has none; does nothing when all have. A service calls it
    /// before it serves; the first time takes about a second.
    public func prepare(_ algorithms: [SigningAlgorithm] = SigningAlgorithm.allCases) async throws {
        let existing = try await self.algorithms()
        for algorithm in algorithms where !existing.contains(algorithm) {
            // Of two processes that start at once, one makes the first key.
            _ = try await add(algorithm, isFirstOnly: true)
        }
    }

    /// Makes a new key and publishes it. It signs after ``announcement``; those before stay published for `overlap` and no
    /// longer.
    ///
    /// - Parameter overlap: zero after a leak: what the old keys signed verifies no more, and the new key signs at once.
    /// - Returns: the name (`kid`) of the new key.
    @discardableResult
    public func rotate(
        _ algorithm: SigningAlgorithm, overlap: Duration = VaultSigningKeys.overlap
    ) async throws -> String {
        let (kid, isAdded) = try await add(algorithm, isFirstOnly: false, overlap)
        guard isAdded else {
            throw VaultError(.internalError, "A new signing key was not added.")
        }
        return kid
    }

    private func add(
        _ algorithm: SigningAlgorithm, isFirstOnly: Bool, _ overlap: Duration = VaultSigningKeys.overlap
    ) async throws -> (kid: String, isAdded: Bool) {
        let stored = try await Self.onThread { try PrivateSigningKey.storedForm(ofNew: algorithm) }
        // What is stored is what was read back: a key that cannot be read would end every sign-in after a restart.
        let key = try await PrivateSigningKey(algorithm, storedForm: stored)
        _ = try key.sign(Array("{}".utf8))
        let isAdded = try await vault.addSigningKey(
            kid: key.publicKey.kid, algorithm: algorithm, privateKey: stored, publicJWK: key.publicKey.text,
            retiringCurrent: overlap, isFirstOnly: isFirstOnly)
        return (key.publicKey.kid, isAdded)
    }

    public func mint(_ claims: IDTokenClaims, algorithm: SigningAlgorithm) async throws -> SecretBytes {
        let key = try await currentKey(algorithm)
        return SecretBytes(try key.sign(try claims.payload(algorithm)))
    }

    public func keySet() async throws -> [UInt8] {
        let published = try await vault.signingKeys()
        // RFC 7517 section 5: the order says nothing; the current keys first help who reads it.
        let keys = published.filter { $0.state == .current } + published.filter { $0.state != .current }
        return Array(#"{"keys":[\#(keys.map(\.publicJWK).joined(separator: ","))]}"#.utf8)
    }

    public func read(hint token: SecretBytes, issuer: String) async throws -> IDTokenHint? {
        guard let jws = try? CompactJWS(token), let kid = jws.header["kid"]?.string,
            let stored = try await vault.signingKeys().first(where: { $0.kid == kid }),
            (try? await jws.verify(with: #"{"keys":[\#(stored.publicJWK)]}"#, types: ["jwt"])) != nil,
            jws.payload["iss"]?.string?.hasSameOctets(as: issuer) == true,
            let client = jws.payload["aud"]?.string, let subject = jws.payload["sub"]?.string
        else { return nil }
        return IDTokenHint(subject: subject, client: client)
    }

    public func algorithms() async throws -> [SigningAlgorithm] {
        let current = try await vault.signingKeys().filter { $0.state == .current }.map(\.algorithm)
        return SigningAlgorithm.allCases.filter(current.contains)
    }

    /// The key that signs, of those that stay published while a token lives: the newest that was announced long enough, or
    /// where no key was, the oldest.
    ///
    /// - Parameter keys: the published keys, oldest first.
    package static func signer(
        of keys: [StoredSigningKey], _ algorithm: SigningAlgorithm, at now: VaultInstant
    ) -> StoredSigningKey? {
        let lasting = keys.filter { key in
            key.algorithm == algorithm
                && key.publishedUntil.map { now.advanced(by: IDTokenClaims.longestLife) <= $0 } ?? true
        }
        return lasting.last { now.elapsed(since: $0.createdAt) >= announcement } ?? lasting.first
    }

    private func currentKey(_ algorithm: SigningAlgorithm) async throws -> PrivateSigningKey {
        let keys = try await vault.signingKeys()
        guard let stored = Self.signer(of: keys, algorithm, at: vault.clock.now()) else {
            throw VaultError(
                .unavailable, "There is no key to sign an id_token with \(algorithm.rawValue).",
                remedy: "Rotate the signing keys to make one.")
        }
        if let key = ready.withLock({ $0[stored.kid] }) { return key }
        let key = try await PrivateSigningKey(algorithm, storedForm: stored.privateKey)
        guard key.publicKey.kid == stored.kid else {
            throw VaultError(.integrity, "A stored signing key is not the one its name says.")
        }
        ready.withLock { ready in
            // A private key that is not published any more need not stay in memory.
            ready = ready.filter { name, _ in keys.contains { $0.kid == name } }
            ready[stored.kid] = key
        }
        return key
    }

    /// Runs slow work on a thread of its own: those that tasks share are few.
    private static func onThread<Result: Sendable>(
        _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Swift.Result(catching: body)) }
        }
    }
}

/// The claims of an id_token as JSON (OpenID Connect Core section 2).
extension IDTokenClaims {
    func payload(_ algorithm: SigningAlgorithm) throws -> [UInt8] {
        var members = additional
        members["iss"] = .string(issuer)
        members["sub"] = .string(subject)
        members["aud"] = .string(audience)
        members["exp"] = .integer(expiresAt.secondsSince1970)
        members["iat"] = .integer(issuedAt.secondsSince1970)
        members["auth_time"] = authenticationTime.map { .integer($0) }
        members["nonce"] = nonce.map { .string($0) }
        members["at_hash"] = accessToken.map { .string(AccessTokenHash.of($0, algorithm)) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(members))
    }
}
