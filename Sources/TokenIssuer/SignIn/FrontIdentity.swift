import Foundation
package import TokenVault
package import VaultCore
import VaultStore

/// A user as a trusted front hands it over: known by issuer and subject, and by nothing else. An e-mail address finds no
/// user: providers give addresses away again, and some let people choose them.
package struct FrontIdentity: Sendable {
    /// What the front may say, by the names of OpenID Connect Core.
    package enum Claim: String, CaseIterable, Sendable {
        case issuer = "iss"
        case subject = "sub"
        case authenticationTime = "auth_time"
        case issueTime = "iat"
        case name
        case preferredUsername = "preferred_username"
        case email
        case isEmailVerified = "email_verified"
        case locale
    }

    /// The user's name in the vault: `ISSUER#SUBJECT`, of which lower-case letters, digits and most signs stay as they are
    /// and every other octet is `%` and two hexadecimal digits. Names are found without regard to case, and issuers and
    /// subjects differ by it; written so, no two of them are one name.
    package let userName: String
    package let signedInAt: VaultInstant
    private let told: [Claim: String]

    /// - Parameter now: a time of the front's that lies ahead counts as this.
    /// - Throws: `invalidInput` with the claim that will not do, never with its value.
    package init(_ claims: [Claim: String], now: VaultInstant) throws(VaultError) {
        // What a front writes where it knows nothing must not become a user whom everyone is.
        told = claims.filter { !["", "(null)", "-"].contains($0.value) }
        guard let issuer = told[.issuer], ["https://", "http://"].contains(where: issuer.hasPrefix),
            issuer.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ",") })
        else { throw Self.refusal("issuer (iss), as https://provider.example") }
        // Proxies join fields of one name by commas: two identities must not become a third.
        guard let subject = told[.subject], !subject.utf8.contains(UInt8(ascii: ",")) else {
            throw Self.refusal("subject (sub) without a comma")
        }
        userName = Self.escaped(issuer) + "#" + Self.escaped(subject)
        guard userName.utf8.count <= Limits.nameBytes else {
            throw Self.refusal("issuer and subject of \(Limits.nameBytes) bytes together")
        }
        guard
            let seconds = (told[.authenticationTime] ?? told[.issueTime]).flatMap({
                $0.utf8.count <= 12 ? Int64($0) : nil
            }), seconds > 0
        else { throw Self.refusal("time of the sign-in (auth_time or iat), in seconds since 1970") }
        signedInAt = min(VaultInstant(millisecondsSince1970: seconds * 1000), now)
    }

    /// The user's claims are those of the front alone: what it says no more is true no more. A malformed one is left out.
    fileprivate func userClaims(_ subject: String) -> UserClaims {
        var claims = UserClaims()
        func keep(_ change: (inout UserClaims) -> Void) {
            var changed = claims
            change(&changed)
            if (try? changed.check()) != nil { claims = changed }
        }
        keep { $0.name = told[.name] }
        // Without one clients would be told the name in the vault, and so the subject at the provider.
        claims.preferredUsername = claims.name ?? subject
        if let name = told[.preferredUsername] { keep { $0.preferredUsername = name } }
        keep { $0.email = told[.email] }
        keep { $0.isEmailVerified = ["true", "1"].contains(told[.isEmailVerified]) }
        keep { $0.locale = told[.locale] }
        return claims
    }

    private static func escaped(_ text: String) -> String {
        text.utf8.reduce(into: "") { escaped, octet in
            switch octet {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                escaped.unicodeScalars.append(Unicode.Scalar(octet))
            case _ where "-._~:/?@|+=&".utf8.contains(octet):
                escaped.unicodeScalars.append(Unicode.Scalar(octet))
            default: escaped += "%" + Hex.encode([octet])
            }
        }
    }

    private static func refusal(_ what: String) -> VaultError {
        VaultError(.invalidInput, "The front hands over no \(what).", remedy: "See docs/sign-in.md.")
    }
}

extension VaultUsers {
    /// The name by which a page calls a user: who came by a front knows its name in the vault from nowhere.
    package func displayName(of user: User) async throws -> String {
        guard user.name.hasPrefix("http"), user.name.contains("#") else { return user.name }
        return try await claims(of: user.id).preferredUsername ?? user.name
    }

    /// Signs in the user of an issuer and subject, who is made the first time, and keeps what the front tells of it.
    ///
    /// - Returns: nil for a user who is disabled.
    package func signIn(_ identity: FrontIdentity, requestID: String) async throws -> User? {
        let id = try await findOrAdd(identity.userName).id
        return try await vault.write(.finishing) { transaction in
            guard let owner = try transaction.owner(id), owner.row.state == .active,
                let row = try transaction.load(OwnerRow.self, id.rawValue)?.row
            else {
                let pseudonym = try transaction.owner(id)?.pseudonym
                return Audited(
                    nil,
                    AuditEvent(
                        .userSignIn, .refused, by: AuditActor(pseudonym, .http), reason: "user_disabled",
                        requestID: requestID))
            }
            let claims = identity.userClaims(subject(of: id))
            if try claims != owner.userClaims(transaction.keyring) {
                try transaction.update(owner.row(row, telling: claims, transaction.keyring))
            }
            return Audited(
                try User(owner, transaction.keyring),
                AuditEvent(
                    .userSignIn, by: AuditActor(owner.pseudonym, .http), reason: "front", requestID: requestID
                ))
        }
    }
}
