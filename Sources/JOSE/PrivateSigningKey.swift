import Crypto
import _CryptoExtras
import JWTKit
package import VaultCore

/// A private key that signs id_tokens, ready for use.
package struct PrivateSigningKey: Sendable {
    package let publicKey: PublicJWK
    package let algorithm: SigningAlgorithm
    /// `header.`: the same for every token that this key signs.
    private let encodedHeader: [UInt8]
    private let signer: any JWTAlgorithm

    /// A new key as the vault keeps it: PKCS #1 for RSA, the 32 octets of the secret otherwise. For RSA this
    /// takes a good part of a second, so never call it where others wait.
    package static func storedForm(ofNew algorithm: SigningAlgorithm) throws -> SecretBytes {
        switch algorithm {
        case .rs256: SecretBytes(Array(try _RSA.Signing.PrivateKey(keySize: .bits2048).derRepresentation))
        case .es256: SecretBytes(Array(P256.Signing.PrivateKey().rawRepresentation))
        case .edDSA: SecretBytes(Array(Curve25519.Signing.PrivateKey().rawRepresentation))
        }
    }

    /// Reads a key that was stored.
    ///
    /// - Throws: ``/VaultCore/VaultError/Code/integrity`` when the octets are no such key.
    package init(_ algorithm: SigningAlgorithm, storedForm: SecretBytes) async throws {
        self.algorithm = algorithm
        // One key to a collection: jwt-kit, asked by a key identifier it does not know, takes its default.
        let keys = JWTKeyCollection()
        switch try Material(algorithm, storedForm) {
        case .rsa(let key):
            let numbers = try key.publicKey.getKeyPrimitives()
            publicKey = .rsa(modulus: Array(numbers.modulus), exponent: Array(numbers.publicExponent))
            await keys.add(rsa: try JWTKit.Insecure.RSA.PrivateKey(backing: key), digestAlgorithm: .sha256)
        case .p256(let key):
            publicKey = .p256(point: Array(key.publicKey.rawRepresentation))
            await keys.add(ecdsa: try ES256PrivateKey(backing: key))
        case .ed25519(let key):
            publicKey = .ed25519(point: Array(key.publicKey.rawRepresentation))
            await keys.add(eddsa: EdDSA.PrivateKey(backing: key))
        }
        signer = try await keys.getKey()
        // RFC 7515 section 4.1: `typ` JWT, because OpenID Connect has no type of its own for id_tokens.
        let header = #"{"alg":"\#(algorithm.rawValue)","kid":"\#(publicKey.kid)","typ":"JWT"}"#
        encodedHeader = Base64URL.encode(Array(header.utf8)) + [UInt8(ascii: ".")]
    }

    /// The compact JWS over `payload` (RFC 7515 section 3.1).
    package func sign(_ payload: [UInt8]) throws -> [UInt8] {
        var token = encodedHeader + Base64URL.encode(payload)
        let signature = try signer.sign(token)
        token.append(UInt8(ascii: "."))
        return token + Base64URL.encode(signature)
    }

    /// A private key of swift-crypto.
    private enum Material {
        case rsa(_RSA.Signing.PrivateKey)
        case p256(P256.Signing.PrivateKey)
        case ed25519(Curve25519.Signing.PrivateKey)

        init(_ algorithm: SigningAlgorithm, _ stored: SecretBytes) throws {
            do {
                self = try stored.withExposed { octets in
                    switch algorithm {
                    case .rs256: .rsa(try _RSA.Signing.PrivateKey(derRepresentation: octets))
                    case .es256: .p256(try P256.Signing.PrivateKey(rawRepresentation: octets))
                    case .edDSA: .ed25519(try Curve25519.Signing.PrivateKey(rawRepresentation: octets))
                    }
                }
            } catch {
                throw VaultError(.integrity, "A stored signing key is not a key for \(algorithm.rawValue).")
            }
        }
    }
}
