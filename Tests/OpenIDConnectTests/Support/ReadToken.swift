import Foundation
import JWTKit
import Testing
import TokenIssuer
import VaultCore

/// An id_token as a client reads it.
struct ReadToken {
    let header: [String: Any]
    let claims: [String: Any]

    init(_ token: SecretBytes) throws {
        let parts = token.text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        try #require(parts.count == 3)
        func object(_ part: String) throws -> [String: Any] {
            try #require(
                try JSONSerialization.jsonObject(with: Data(Published.octets(part))) as? [String: Any])
        }
        header = try object(parts[0])
        claims = try object(parts[1])
    }

    var kid: String? { header["kid"] as? String }

    /// Whether the key that the token names is in the set and made its signature.
    static func verifies(_ token: SecretBytes, with keySet: [UInt8]) async throws -> Bool {
        let keys = JWTKeyCollection()
        try await keys.add(jwksJSON: String(decoding: keySet, as: UTF8.self))
        let kid = try #require(try ReadToken(token).kid)
        guard try members(of: keySet).contains(where: { $0["kid"] as? String == kid }) else { return false }
        do {
            _ = try await keys.verify(token.text, as: Anything.self)
            return true
        } catch { return false }
    }

    static func members(of keySet: [UInt8]) throws -> [[String: Any]] {
        let set = try JSONSerialization.jsonObject(with: Data(keySet)) as? [String: Any]
        return try #require(set?["keys"] as? [[String: Any]])
    }

    /// No claim is looked at: the signature is what is asked for.
    private struct Anything: JWTPayload {
        func verify(using algorithm: some JWTAlgorithm) async throws {}
    }
}

extension Secret where Value == [UInt8] {
    var text: String { withExposed { String(decoding: $0, as: UTF8.self) } }
}

extension IDTokenClaims {
    /// Claims of a token as an issuer gives them.
    static func example(at now: VaultInstant) -> IDTokenClaims {
        var claims = IDTokenClaims(
            issuer: "https://id.example", subject: "u_alice", audience: "client-7", issuedAt: now,
            expiresAt: now.advanced(by: IDTokenClaims.longestLife))
        claims.nonce = #"n-"\ é/"# + "\n"
        claims.authenticationTime = now.secondsSince1970 - 30
        claims.accessToken = SecretBytes(copying: "tv_at_x")
        return claims
    }
}
