package import VaultCore

/// What a code or a refresh token says about itself, after its handle opened and its client authenticated.
/// Only an authentic handle gets this far: a forged or damaged one is refused before any row is read.
package struct PresentedCredential: Sendable, Equatable {
    package var kind: CredentialKind
    /// The generation inside the handle: 0 for a code, 1 and on for refresh tokens.
    package var generation: UInt32
    /// The family secret inside the handle has the tag that the grant's row keeps.
    package var isFamilyProven: Bool
    /// The token has the tag that the row keeps for its generation. Rows keep two, of the current generation
    /// and of the one before, so the rules look at this only there.
    package var isTokenProven: Bool
    /// The client that presents it is the one it was issued to.
    package var isOfThisClient: Bool
    /// The `scope` parameter; nil where it was omitted.
    package let requestedScope: ScopeSet?

    /// An empty `requestedScope` counts as none.
    package init(
        kind: CredentialKind, generation: UInt32, isFamilyProven: Bool, isTokenProven: Bool,
        isOfThisClient: Bool, requestedScope: ScopeSet?
    ) {
        self.kind = kind
        self.generation = generation
        self.isFamilyProven = isFamilyProven
        self.isTokenProven = isTokenProven
        self.isOfThisClient = isOfThisClient
        // RFC 6749 section 3.2: "Parameters sent without a value MUST be treated as if they were omitted from
        // the request."
        self.requestedScope = requestedScope.flatMap { $0.isEmpty ? nil : $0 }
    }
}

/// The two credentials that can move a grant to its next generation.
package enum CredentialKind: Sendable, CaseIterable {
    case authorizationCode
    case refreshToken
}
