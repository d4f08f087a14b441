import Foundation
import Logging
public import TokenVault
public import VaultCore

extension TokenIssuer {
    /// Checks an access token, as ``TokenVault/Vault/validate(_:)`` does; nil: not valid.
    ///
    /// - Throws: `temporarily_unavailable` when storage does not answer.
    public func validate(_ accessToken: SecretBytes) throws(OAuthError) -> ValidAccessToken? {
        do { return try vault.validate(accessToken) } catch { throw failure(error) }
    }

    /// What an access token lets its client know of the user, as a JSON object (OpenID Connect Core section 5.3.2).
    ///
    /// - Throws: `insufficient_scope` without `openid`, `invalid_token` when the token speaks for no user.
    public func userinfo(_ accessToken: ValidAccessToken) async throws(OAuthError) -> [UInt8] {
        guard accessToken.scope.names.contains("openid") else {
            throw OAuthError(.insufficientScope, status: 403, "The access token is not for the scope openid.")
        }
        guard accessToken.owner != accessToken.client else {
            throw OAuthError(
                .invalidToken, status: 401, "The access token speaks for a client, not for a user.")
        }
        let user: User
        do { user = try vault.user(accessToken.owner) } catch let error as VaultError
            where error.code == .notFound
        {
            throw OAuthError(.invalidToken, status: 401, "The user was removed.")
        } catch { throw failure(error) }
        var members: [String: ClaimValue]
        do { members = try await claims.about(user, within: accessToken.scope) } catch {
            vault.logger.error(
                "The host's claims about a user could not be had.",
                metadata: ["error.type": "\(type(of: error))"])
            throw OAuthError(
                .temporarilyUnavailable, status: 503, "What is known of the user cannot be read now.",
                retryAfter: 5)
        }
        members["sub"] = .string(vault.subject(of: user.id))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { return Array(try encoder.encode(members)) } catch { throw failure(error) }
    }
}
