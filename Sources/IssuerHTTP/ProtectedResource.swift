import Foundation
public import Hummingbird
public import TokenIssuer
public import VaultCore

/// A service that takes the access tokens of an issuer, and says so: clients that know nothing but its address find the issuer
/// and the scope to ask for (RFC 9728, as the Model Context Protocol wants it).
///
/// ```swift
/// let mcp = try ProtectedResource("https://mcp.example/mcp", of: issuer, scopes: ["mcp"])
/// router.addRoutes(mcp)
/// router.group("mcp").add(middleware: BearerAuthenticator(issuer, requiring: ["mcp"], for: mcp))
/// ```
///
/// Behind ``BearerAuthenticator`` it takes tokens for itself alone, and every challenge leads to the metadata.
public struct ProtectedResource: Sendable {
    /// What tokens for it have as their audience.
    public let identifier: ResourceIdentifier
    /// Where clients read its metadata.
    public let metadataURL: String
    private let issuer: TokenIssuer
    private let scopes: [String]
    private let name: String?
    fileprivate let path: String

    /// - Parameters:
    ///   - url: The URL that clients know the service by: https, or http on loopback, without query and fragment. Its path may
    ///     differ from that of your routes, where a proxy takes a part of it off.
    ///   - issuer: The issuer of its tokens, which must know its URL.
    ///   - scopes: The names to ask for, from which clients choose.
    ///   - name: The name of the service, for people.
    /// - Throws: ``VaultCore/VaultError/Code/invalidInput`` for another URL.
    public init(_ url: String, of issuer: TokenIssuer, scopes: [String] = [], name: String? = nil) throws {
        guard let identifier = ResourceIdentifier(url), let parts = URLComponents(string: url),
            let host = parts.host, !host.isEmpty, parts.query == nil,
            parts.scheme == "https" || (parts.scheme == "http" && Loopback.contains(host))
        else {
            throw VaultError(
                .invalidInput, "A protected resource is an https URL without query and fragment.",
                remedy: "Correct the resource's URL: it is https, or http on loopback.")
        }
        guard let path = RouterPath.literal(parts.percentEncodedPath) else {
            throw VaultError(
                .invalidInput, "The path of the resource has a part that a router reads as a pattern.",
                remedy: "Choose another path.")
        }
        self.identifier = identifier
        self.issuer = issuer
        self.scopes = scopes
        self.name = name
        // Section 3.1: the well-known part stands between the host and the path.
        self.path = "/.well-known/oauth-protected-resource" + path
        metadataURL = url.dropLast(parts.percentEncodedPath.utf8.count) + self.path
    }

    /// The members of its metadata (section 2).
    ///
    /// - Throws: `temporarily_unavailable` while the issuer's URL is not known.
    public func metadata() async throws(OAuthError) -> [String: ClaimValue] {
        guard let url = issuer.issuer else {
            throw OAuthError(
                .temporarilyUnavailable, status: 503, "The server is starting. Try again.", retryAfter: 1)
        }
        var members: [String: ClaimValue] = [
            "resource": .string(identifier.text), "authorization_servers": [.string(url)],
            "bearer_methods_supported": ["header"],
        ]
        if !scopes.isEmpty { members["scopes_supported"] = .array(scopes.map { .string($0) }) }
        members["resource_name"] = name.map { .string($0) }
        return members
    }
}

extension RouterMethods {
    /// Adds the metadata of a protected resource, which scripts of any origin may read. To the router itself: well-known
    /// addresses are at its root.
    @discardableResult public func addRoutes(_ resource: ProtectedResource) -> Self {
        Endpoint<Context>([.get, .head], isCrossOrigin: true) { request, _ in
            await IssuerRoutes.publish(to: request) { try await resource.metadata().json() }
        }.mount(at: resource.path, on: self)
        return self
    }
}
