import Foundation
package import TokenVault
import VaultCore

/// A client as a JSON object with the members of RFC 7591 section 2, without its secrets. Ours beside them:
/// `token_endpoint_auth_methods` where there are several, `tokenvault_may_introspect`, `tokenvault_app_schemes`,
/// `tokenvault_any_localhost_port`, `tokenvault_rotation` where it is not strict, and `tokenvault_lifetimes` in seconds.
package struct ClientMetadata {
    package let clientID: String?
    package let registration: ClientRegistration
    /// Members that describe the client to people and are not kept.
    package let ignored: [String]

    package init(_ client: Client) {
        clientID = client.clientID
        registration = client.registration
        ignored = []
    }

    package var object: [String: Any] {
        var object: [String: Any] = [
            "client_name": registration.name,
            "redirect_uris": registration.redirectURIs,
            "grant_types": registration.grantTypes.map(\.rawValue)
                + (registration.isImplicit ? ["implicit"] : []),
            "response_types": registration.responseTypes.map(\.rawValue),
            "scope": registration.scope.text,
            "id_token_signed_response_alg": registration.idTokenAlgorithm.rawValue,
            "tokenvault_may_introspect": registration.mayIntrospect,
            "tokenvault_lifetimes": Self.lifetimes.mapValues {
                registration.lifetimes[keyPath: $0].components.seconds
            },
        ]
        if let clientID { object["client_id"] = clientID }
        if !registration.appSchemes.isEmpty { object["tokenvault_app_schemes"] = registration.appSchemes }
        if !registration.insecureHosts.isEmpty {
            object["tokenvault_insecure_hosts"] = registration.insecureHosts
        }
        if registration.acceptsAnyLocalhostPort { object["tokenvault_any_localhost_port"] = true }
        if registration.rotation != .strict {
            object["tokenvault_rotation"] = registration.rotation.description
        }
        if !registration.postLogoutRedirectURIs.isEmpty {
            object["post_logout_redirect_uris"] = registration.postLogoutRedirectURIs
        }
        let methods = registration.authenticationMethods.map(\.rawValue)
        object["token_endpoint_auth_method"] = methods.first
        if methods.count > 1 { object["token_endpoint_auth_methods"] = methods }
        object["jwks_uri"] = registration.keySetURI
        if let keySet = registration.keySet {
            object["jwks"] = try? JSONSerialization.jsonObject(with: Data(keySet.utf8))
        }
        return object
    }

    fileprivate static let lifetimes: [String: any WritableKeyPath<Lifetimes, Duration> & Sendable] = [
        "authorization_code": \.authorizationCode, "access_token": \.accessToken, "idle": \.idle,
        "absolute": \.absolute, "retry_window": \.retryWindow,
    ]
}

extension ClientMetadata {
    /// Informational members of RFC 7591: nothing depends on them here.
    private static let informational: Set = [
        "client_uri", "logo_uri", "contacts", "tos_uri", "policy_uri", "software_id", "software_version",
        "client_id_issued_at", "application_type",
    ]

    /// Reads what ``object`` writes, and what other servers export.
    ///
    /// - Throws: `VaultError.Code.invalidInput` with the member that will not do: what is not known is not skipped.
    package init(json bytes: [UInt8]) throws {
        guard let object = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] else {
            throw VaultError(
                .invalidInput, "The client is not a JSON object.",
                remedy: "Export any client to see the form.")
        }
        let members = Members(object)
        guard let name = try members.text("client_name") ?? members.text("client_id") else {
            throw VaultError(.invalidInput, "The client has no client_name.")
        }
        var registration = ClientRegistration(name: name)
        if let uris = try members.texts("redirect_uris") { registration.redirectURIs = uris }
        registration.postLogoutRedirectURIs = try members.texts("post_logout_redirect_uris") ?? []
        if let scope = try members.text("scope") {
            registration.scope = try members.word("scope", ScopeSet(tidying: scope))
        }
        if let types = try members.texts("response_types") {
            registration.responseTypes = try types.map {
                try members.word("response_types", ResponseType(words: $0))
            }
        }
        if let types = try members.texts("grant_types") {
            // RFC 7591 section 2.1: `implicit` goes with the response types, which say it here.
            registration.grantTypes = try types.filter { $0 != "implicit" }.map {
                try members.word("grant_types", GrantType(rawValue: $0))
            }
        }
        let method = try members.text("token_endpoint_auth_method").map { [$0] }
        if let methods = try members.texts("token_endpoint_auth_methods") ?? method {
            registration.authenticationMethods = try methods.map {
                try members.word("token_endpoint_auth_method", ClientAuthenticationMethod(rawValue: $0))
            }
        }
        if let algorithm = try members.text("id_token_signed_response_alg") {
            registration.idTokenAlgorithm = try members.word(
                "id_token_signed_response_alg", SigningAlgorithm(rawValue: algorithm))
        }
        registration.keySet = try members.json("jwks")
        registration.keySetURI = try members.text("jwks_uri")
        if let keySet = registration.keySet { try ClientKeySet.check(keySet) }
        registration.mayIntrospect = try members.truth("tokenvault_may_introspect") ?? false
        registration.appSchemes = try members.texts("tokenvault_app_schemes") ?? []
        registration.insecureHosts = try members.texts("tokenvault_insecure_hosts") ?? []
        registration.acceptsAnyLocalhostPort = try members.truth("tokenvault_any_localhost_port") ?? false
        if let rotation = try members.text("tokenvault_rotation") {
            registration.rotation = try members.word("tokenvault_rotation", RefreshTokenRotation(rotation))
        }
        for (name, seconds) in try members.integers("tokenvault_lifetimes") ?? [:] {
            guard let path = Self.lifetimes[name] else {
                throw Members.unknown("tokenvault_lifetimes.\(name)")
            }
            registration.lifetimes[keyPath: path] = .seconds(seconds)
        }
        clientID = try members.text("client_id")
        self.registration = registration
        ignored = try members.rest(allowed: Self.informational)
    }
}

/// The members of a client's JSON object: each is taken once, with the type it must have.
private final class Members {
    private var object: [String: Any]

    init(_ object: [String: Any]) { self.object = object }

    func text(_ name: String) throws -> String? { try take(name, "a string") { $0 as? String } }

    func texts(_ name: String) throws -> [String]? { try take(name, "a list of strings") { $0 as? [String] } }

    func truth(_ name: String) throws -> Bool? { try take(name, "true or false") { $0 as? Bool } }

    func integers(_ name: String) throws -> [String: Int64]? {
        try take(name, "an object of whole numbers") { $0 as? [String: Int64] }
    }

    /// An object, as text again.
    func json(_ name: String) throws -> String? {
        try take(name, "an object") { value in
            guard let value = value as? [String: Any] else { return nil }
            let data = try? JSONSerialization.data(
                withJSONObject: value, options: [.sortedKeys, .withoutEscapingSlashes])
            return data.map { String(decoding: $0, as: UTF8.self) }
        }
    }

    func word<Word>(_ name: String, _ word: Word?) throws -> Word {
        guard let word else {
            throw VaultError(.invalidInput, "'\(name)' has a value that is not supported.")
        }
        return word
    }

    /// The members left over: returned if allowed, else refused by name.
    func rest(allowed: Set<String>) throws -> [String] {
        let names = object.keys.sorted()
        if names.contains(where: { $0 == "client_secret" || $0 == "client_secret_expires_at" }) {
            throw VaultError(
                .invalidInput, "A secret is not imported: the client gets a new one.",
                remedy: "Remove client_secret and client_secret_expires_at.")
        }
        if let unknown = names.first(where: { !allowed.contains($0) }) { throw Self.unknown(unknown) }
        return names
    }

    static func unknown(_ name: String) -> VaultError {
        VaultError(
            .invalidInput, "The member '\(name)' is not supported.",
            remedy: "Remove it if the client does not need it.")
    }

    private func take<Value>(_ name: String, _ form: String, _ read: (Any) -> Value?) throws -> Value? {
        guard let value = object.removeValue(forKey: name) else { return nil }
        guard let value = read(value) else {
            throw VaultError(.invalidInput, "'\(name)' must be \(form).")
        }
        return value
    }
}
