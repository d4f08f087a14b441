import MerkleLog
import Testing
import VaultCore
import VaultCrypto

/// The note, key and seed that implementations of signed notes share as their example.
enum PublishedNote {
    static let vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    static let seed = "810a1402d5146c8d84f2443330f54080ebf98ee17d9c74f6252fc5d5c7283173"
    static let text = """
        If you think cryptography is the answer to your problem,
        then you don't know what your problem is.

        """
    static let line =
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZIn"
        + "NIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    static let note = text + "\n" + line

    /// A second published signer of the same text.
    static let otherVkey = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
    static let otherLine =
        "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp"
        + "+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"

    static func key() throws -> NoteKey { try #require(NoteKey(vkey: vkey)) }

    static func signer() throws -> NoteSigner {
        let octets = try #require(Hex.decode(seed))
        let key = try octets.withUnsafeBytes { try GuardedKey(copying: $0) }
        return try #require(NoteSigner(name: "PeterNeumann", key: SigningKey(seed: key)))
    }
}
