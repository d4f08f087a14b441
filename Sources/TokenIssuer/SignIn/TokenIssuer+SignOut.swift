package import TokenVault
package import VaultCore

/// A client's wish to sign its user out, as far as it is proved (OpenID Connect RP-Initiated Logout 1.0 section 2).
package struct ClientSignOut: Sendable {
    /// The user that the id_token is about; nil without one, or where it proves nothing.
    package let subject: String?
    /// The client that the id_token was issued to, or that says it asks.
    package let client: Client?
    /// Where the browser goes then, with `state`: an address that the client registered for this.
    package let destination: String?

    /// Whether the user asked for it, as far as a request can tell: a page of a stranger's has no id_token of this user.
    package func isProved(for user: OwnerID, in vault: Vault) -> Bool {
        subject?.utf8.elementsEqual(vault.users.subject(of: user).utf8) ?? false
    }
}

extension TokenIssuer {
    /// Reads the query of a GET, or the form of a POST, to the end-session endpoint.
    ///
    /// - Throws: `invalid_request`, to be shown to the user, who stays signed in.
    package func clientSignOut(_ query: [UInt8]) async throws(OAuthError) -> ClientSignOut {
        let parameters: [FormParameter]
        do { parameters = try FormCoding.strictPairs(query) } catch {
            throw OAuthError(error, in: "The request")
        }
        guard query.count <= AuthorizationRequest.longest else {
            throw .invalidRequest("The request is longer than \(AuthorizationRequest.longest) bytes.")
        }
        func value(_ name: String) -> SecretBytes? {
            parameters.first { $0.name == name && !$0.value.withExposed(\.isEmpty) }?.value
        }
        var hint: IDTokenHint?
        let client: Client?
        do {
            if let token = value("id_token_hint"), let idTokens, let issuer {
                hint = try await idTokens.read(hint: token, issuer: issuer)
            }
            let named = value("client_id")?.text
            if let hint, let named, !named.utf8.elementsEqual(hint.client.utf8) {
                throw OAuthError.invalidRequest(
                    "The client_id is not the one that the id_token_hint was issued to.")
            }
            var known: Client?
            if let name = hint?.client ?? named { known = try await vault.clients.first(identifiedBy: name) }
            client = known?.state == .active ? known : nil
        } catch { throw error as? OAuthError ?? failure(error) }
        var destination: String?
        if let client, let uri = value("post_logout_redirect_uri")?.text {
            let registered = client.registration.postLogoutRedirectURIs
            guard registered.contains(where: { $0.utf8.elementsEqual(uri.utf8) }) else {
                throw .invalidRequest(
                    "The address to return to is not one that this application has registered for signing out."
                )
            }
            let state = value("state").map { [("state", $0.text)] } ?? []
            destination = AuthorizationResponder.uri(uri, query: state)
        }
        return ClientSignOut(subject: hint?.subject, client: client, destination: destination)
    }
}
