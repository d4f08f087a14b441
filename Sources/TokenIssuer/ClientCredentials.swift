public import TokenVault
public import VaultCore

/// How a caller says who the client is (RFC 6749 section 2.3).
///
/// ```swift
/// // A client that sent its secret along with a request of your own protocol.
/// try await issuer.refresh(token, for: .secret(secret, clientID: "app"))
/// // A client that you know already: by mutual TLS, or because it is a part of your own service.
/// try await issuer.refresh(token, for: .authenticated(try await vault.clients.find("app")))
/// ```
public enum ClientCredentials: Sendable {
    /// A secret of the client.
    ///
    /// - Parameter method: how the secret came over HTTP, which must be one that the client is registered for; nil: in
    ///   another way, and either of the two methods for secrets will do.
    case secret(SecretBytes, clientID: String, method: ClientAuthenticationMethod? = nil)
    /// A JWT that the client signed (RFC 7523 section 2.2).
    ///
    /// - Parameter clientID: the `client_id` where it is said besides; nil: the assertion alone says it.
    case assertion(SecretBytes, clientID: String? = nil)
    /// The name of a public client, which has nothing to prove it by. Binding a code to such a client is the work of PKCE.
    case publicClient(clientID: String)
    /// The client that the host itself found to be the one who asks: nothing is checked but that it is not disabled. Never
    /// choose it by a name that came with the request alone.
    case authenticated(Client)
    /// Nothing that could be understood; refused with `invalid_client`.
    case absent
}
