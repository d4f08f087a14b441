public import TokenVault
public import VaultCore

/// The credentials that identify and authenticate a client (RFC 6749 section 2.3).
///
/// ```swift
/// // A client that sent its secret with the request.
/// try await issuer.refresh(token, for: .secret(secret, clientID: "app"))
/// // A client that you authenticated yourself: by mutual TLS, or because it is a part of your own service.
/// try await issuer.refresh(token, for: .authenticated(try await vault.clients.find("app")))
/// ```
public enum ClientCredentials: Sendable {
    /// The client's secret.
    ///
    /// - Parameter method: The method by which the secret came over HTTP; the client must be registered for it. With nil, a
    ///   client that is registered for either method of secrets is accepted.
    case secret(SecretBytes, clientID: String, method: ClientAuthenticationMethod? = nil)
    /// A JWT that the client signed (RFC 7523 section 2.2).
    ///
    /// - Parameter clientID: The `client_id` that came with the assertion; it must be the client that signed it. Nil when none
    ///   came.
    case assertion(SecretBytes, clientID: String? = nil)
    /// The `client_id` of a public client, which has no secret. Its codes are bound to it by PKCE (RFC 7636).
    case publicClient(clientID: String)
    /// A client that the host authenticated itself. The issuer checks that the client still exists and is not disabled, and
    /// nothing else: do not choose it by a `client_id` that only came with the request.
    case authenticated(Client)
    /// No credentials, or none that the issuer understands. It refuses them with `invalid_client`.
    case absent
}
