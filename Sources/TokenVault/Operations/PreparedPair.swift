import VaultCore
import VaultCrypto

/// The tokens that a swap hands out if the rules allow it: sealed and tagged by its caller, before the write,
/// so that the one writer spends no time on them. Made for the generation after the presented one, which is
/// the only one a swap leads to. A refused exchange drops it: nothing of it was stored or shown.
struct PreparedPair: Sendable {
    private let generation: UInt32
    let accessToken: SecretBytes
    private let refreshToken: SecretBytes
    private let tagKeyID: UInt8
    private let accessTag: [UInt8]
    private let refreshTag: [UInt8]

    init(after handle: TokenHandle, _ keyring: Keyring) {
        let next = handle.generation &+ 1
        func token(_ kind: TokenKind) -> SecretBytes {
            keyring.handles.seal(
                TokenHandle(
                    kind: kind, grant: handle.grant, generation: next, familySecret: handle.familySecret))
        }
        generation = next
        accessToken = token(.accessToken)
        refreshToken = token(.refreshToken)
        tagKeyID = keyring.currentTags.id
        accessTag = keyring.currentTags.tag(.token, of: accessToken)
        refreshTag = keyring.currentTags.tag(.token, of: refreshToken)
    }

    /// The pair with its tags under the grant's tag key, for a grant that now moves to `generation`.
    func pair(
        for generation: UInt32, tagKey: TagKey, withRefreshToken: Bool
    ) throws -> (pair: TokenPair, accessTag: [UInt8], refreshTag: [UInt8]?) {
        guard generation == self.generation else {
            throw VaultError(.internalError, "A token pair was prepared for another generation.")
        }
        let isTagged = tagKey.id == tagKeyID
        return (
            TokenPair(accessToken: accessToken, refreshToken: withRefreshToken ? refreshToken : nil),
            isTagged ? accessTag : tagKey.tag(.token, of: accessToken),
            withRefreshToken ? (isTagged ? refreshTag : tagKey.tag(.token, of: refreshToken)) : nil
        )
    }
}
