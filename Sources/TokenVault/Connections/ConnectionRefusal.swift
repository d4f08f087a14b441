public import VaultCore

/// What a provider says when it refuses to refresh a connection, and since when it has been saying so. Kept
/// in the connection's sealed details until the connection has tokens again.
public struct ConnectionRefusal: Codable, Sendable, Equatable {
    /// The last error code in the spelling of the log: `invalid-request`.
    public internal(set) var reason: String
    /// Status, code and description of the last refusal: at most 200 characters, secrets taken out. Empty
    /// where there was no room for them.
    public internal(set) var words: String
    public internal(set) var since: VaultInstant
    /// Refusals in a row; tries without an answer are not counted and do not end the row.
    public internal(set) var count: Int64
    /// Revision of the provider that refused.
    package internal(set) var revision: Int64
    /// At this revision the connection has been a reason to doubt our client: it is not one a second time.
    var isWitness = false

    private enum CodingKeys: String, CodingKey {
        case reason, words, since, count, revision
        case isWitness = "witness"
    }
}

/// A refusal, as the keeper hands it over to be settled.
package struct RefusedRefresh: Sendable {
    package enum Meaning: Sendable {
        /// The refresh token is dead: the user has to consent again.
        case needsConsent
        /// `invalid_client`: our client is refused, by name.
        case client
        /// Our client is refused, or this token; the provider does not tell which.
        case clientOrToken
        /// Anything else.
        case request
    }

    package var reason: String
    package var meaning: Meaning
    /// The provider's words: bounded, secrets taken out.
    package var words: String
    /// Of the provider as it was called; a change since then may have put it right.
    package var revision: Int64

    package init(_ reason: String, _ meaning: Meaning, words: String = "", revision: Int64) {
        self.reason = reason
        self.meaning = meaning
        self.words = words
        self.revision = revision
    }
}
