package import VaultCore

/// What a token of ours is: its kind is in its prefix and in the handle's associated data.
package enum TokenKind: UInt8, Sendable, CaseIterable {
    case accessToken = 1
    case refreshToken = 2
    case authorizationCode = 3

    /// Six ASCII characters that name the kind to people and to secret scanners.
    package var prefix: String {
        switch self {
        case .accessToken: "tv_at_"
        case .refreshToken: "tv_rt_"
        case .authorizationCode: "tv_ac_"
        }
    }
}

/// What is inside a token: the grant, the generation that made it, and the grant's random family secret.
package struct TokenHandle: Sendable, Equatable {
    package static let familySecretBytes = 16
    package let kind: TokenKind
    package let grant: GrantID
    package let generation: UInt32
    /// 16 bytes, drawn when the grant was made.
    package let familySecret: [UInt8]

    package init(kind: TokenKind, grant: GrantID, generation: UInt32, familySecret: [UInt8]) {
        precondition(familySecret.count == Self.familySecretBytes, "a family secret has 16 bytes")
        self.kind = kind
        self.grant = grant
        self.generation = generation
        self.familySecret = familySecret
    }
}

extension TokenHandle: CustomStringConvertible, CustomReflectable {
    /// Everything but the secret, for test failures and diagnostics.
    package var description: String { "\(kind) of grant \(grant), generation \(generation)" }
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}
