import Foundation
import VaultCore

/// What the vault keeps of a user for clients to learn (OpenID Connect Core section 5.1), sealed under the user's key.
///
/// ```swift
/// try await vault.users.setClaims(of: "alice") {
///     $0.email = "alice@example.com"
///     $0.isEmailVerified = true
/// }
/// ```
public struct UserClaims: Sendable, Equatable {
    /// The user's full name, as people write it (`name`).
    public var name: String?
    /// What the user likes to be called in applications (`preferred_username`); nil: the name that the user signs in with.
    public var preferredUsername: String?
    /// The user's address (`email`).
    public var email: String?
    /// Whether you made sure that the address is the user's (`email_verified`). Applications may let its owner into an
    /// account for that.
    public var isEmailVerified = false
    /// The user's language and region, as in `de` or `pt-BR` (`locale`).
    public var locale: String?

    public init() {}

    /// The claims there may be, for metadata.
    static let names = ["name", "preferred_username", "locale", "email", "email_verified"]

    /// The claims that `scope` asks for (OpenID Connect Core section 5.4).
    ///
    /// - Parameter userName: the name that the user signs in with.
    func told(within scope: ScopeSet, ofUser userName: String) -> [String: ClaimValue] {
        var told: [String: ClaimValue] = [:]
        if scope.names.contains("profile") {
            told["name"] = name.map { .string($0) }
            told["preferred_username"] = .string(preferredUsername ?? userName)
            told["locale"] = locale.map { .string($0) }
        }
        if scope.names.contains("email"), let email {
            told["email"] = .string(email)
            told["email_verified"] = .bool(isEmailVerified)
        }
        return told
    }

    /// - Throws: ``VaultError/Code/invalidInput`` with the claim and what it may be, never with its value.
    package func check() throws {
        for (text, what) in [(name, "name"), (preferredUsername, "preferred user name")] {
            guard text.map(Self.isLine) ?? true else {
                throw VaultError(
                    .invalidInput,
                    "A \(what) has 1 to \(Limits.nameBytes) bytes, no control characters and no space at its ends."
                )
            }
        }
        guard email.map(Self.isAddress) ?? true else {
            throw VaultError(
                .invalidInput,
                "An e-mail address is NAME@DOMAIN, of at most 254 bytes, without spaces and quotation marks.")
        }
        guard email != nil || !isEmailVerified else {
            throw VaultError(.invalidInput, "There is no e-mail address that could be verified.")
        }
        guard locale.map(Self.isLanguageTag) ?? true else {
            throw VaultError(
                .invalidInput, "A locale is a language tag of at most 35 characters, as de or pt-BR.")
        }
    }

    /// A short text for people, without anything that cannot be seen.
    static func isLine(_ text: String) -> Bool {
        (1...Limits.nameBytes).contains(text.utf8.count) && text.unicodeScalars.allSatisfy(isWritten)
            && text.first?.isWhitespace == false && text.last?.isWhitespace == false
    }

    /// RFC 5321 section 4.5.3.1: 64 octets before the @, 254 in all. Quoted names are not accepted.
    private static func isAddress(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        return parts.count == 2 && text.utf8.count <= 254 && (1...64).contains(parts[0].utf8.count)
            && !parts[1].isEmpty
            && text.unicodeScalars.allSatisfy { scalar in
                isWritten(scalar) && !scalar.properties.isWhitespace
                    && scalar.properties.generalCategory != .format
                    && !"\"<>(),:;\\[]".unicodeScalars.contains(scalar)
            }
    }

    /// BCP 47: subtags of 1 to 8 letters and digits, the first of them letters.
    private static func isLanguageTag(_ text: String) -> Bool {
        let subtags = text.split(separator: "-", omittingEmptySubsequences: false)
        return text.utf8.count <= 35 && text.utf8.allSatisfy { $0 < 0x80 }
            && subtags.allSatisfy {
                (1...8).contains($0.count) && $0.allSatisfy { $0.isLetter || $0.isNumber }
            }
            && subtags[0].count >= 2 && subtags[0].allSatisfy(\.isLetter)
    }

    private static func isWritten(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}

/// As JSON, by the names that clients read; what is absent is left out.
extension UserClaims: Codable {
    private enum CodingKeys: String, CodingKey {
        case name
        case preferredUsername = "preferred_username"
        case email
        case isEmailVerified = "email_verified"
        case locale
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        name = try values.decodeIfPresent(String.self, forKey: .name)
        preferredUsername = try values.decodeIfPresent(String.self, forKey: .preferredUsername)
        email = try values.decodeIfPresent(String.self, forKey: .email)
        isEmailVerified = try values.decodeIfPresent(Bool.self, forKey: .isEmailVerified) ?? false
        locale = try values.decodeIfPresent(String.self, forKey: .locale)
    }

    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encodeIfPresent(name, forKey: .name)
        try values.encodeIfPresent(preferredUsername, forKey: .preferredUsername)
        try values.encodeIfPresent(email, forKey: .email)
        if email != nil { try values.encode(isEmailVerified, forKey: .isEmailVerified) }
        try values.encodeIfPresent(locale, forKey: .locale)
    }
}
