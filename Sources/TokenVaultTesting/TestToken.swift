import TokenIssuer
public import TokenVault
import VaultCore
import VaultCrypto

extension Vault {
    /// Returns an access token, as if the user had allowed it to an application a moment ago.
    ///
    /// ```swift
    /// let vault = try await Vault.temporary()
    /// let token = try await vault.testToken(for: "alice", scope: "notes:read")
    /// // Authorization: Bearer \(token)
    /// ```
    ///
    /// ``validate(_:)`` and a route behind `BearerAuthenticator` accept it until it expires or is revoked. A user that the
    /// vault does not have is added; each token belongs to a new client and a grant of its own.
    ///
    /// - Parameters:
    ///   - user: the name of the user.
    ///   - scope: what the token is for: names, with a space between two of them.
    /// - Throws: `VaultError.Code.invalidInput` for a name or a scope that cannot be one; `denied` for a user that is
    ///   disabled.
    public func testToken(for user: String, scope: String = "") async throws -> String {
        guard let scope = ScopeSet(parsing: scope) else {
            throw VaultError(.invalidInput, "The scope is malformed.")
        }
        var registration = ClientRegistration(name: "test " + Hex.encode(SystemRandom().bytes(8)))
        registration.redirectURIs = ["https://client.invalid/callback"]
        registration.scope = scope
        let client = try await clients.add(registration).client
        let owner = try await users.findOrAdd(user)
        let code = try await authorize(
            Authorization(client: client.id, user: owner.id, scope: scope, redirectURI: nil)
        ).code
        return try await TokenIssuer(vault: self).redeem(code, for: .authenticated(client)).accessToken.text
    }
}
