import Foundation
import TokenIssuer
import TokenVault
import VaultCore

/// The claims of an id_token as JSON (OpenID Connect Core section 2).
enum IDTokenPayload {
    static func encode(_ claims: IDTokenClaims, _ algorithm: SigningAlgorithm) throws -> [UInt8] {
        var members = claims.additional
        members["iss"] = .string(claims.issuer)
        members["sub"] = .string(claims.subject)
        members["aud"] = .string(claims.audience)
        members["exp"] = .integer(claims.expiresAt.secondsSince1970)
        members["iat"] = .integer(claims.issuedAt.secondsSince1970)
        members["auth_time"] = claims.authenticationTime.map { .integer($0) }
        members["nonce"] = claims.nonce.map { .string($0) }
        members["at_hash"] = claims.accessToken.map { .string(AccessTokenHash.of($0, algorithm)) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(members))
    }
}
