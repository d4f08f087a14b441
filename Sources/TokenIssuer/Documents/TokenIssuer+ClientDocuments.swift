import Foundation
package import TokenVault
package import VaultCore

extension TokenIssuer {
    /// The client whose metadata lie at its `client_id` (draft-ietf-oauth-client-id-metadata-document), as they say now.
    ///
    /// - Parameter known: the same client, which a user has allowed; nil: none has.
    /// - Returns: nil where such clients are not taken, or this is no `client_id` of one.
    /// - Throws: `OAuthError` with the member that will not do, and not its value.
    func describedClient(_ clientID: String, known: Client?) async throws -> Client? {
        guard let documents, let registration, let url = DocumentURL(clientID), !url.hasQuery else {
            return nil
        }
        let bytes: [UInt8]
        switch await documents.metadata(at: url, isKnown: known != nil) {
        case .success(let document): bytes = document
        case .failure(let problem): throw OAuthError(problem)
        }
        let choice = try ClientChoice(
            json: bytes, registration, at: vault.clock.now(), mostURIs: Limits.redirectURIs,
            longestURIs: Limits.clientDocumentBytes)
        var described = choice.registration(registration, scope: try await scopeOfSelfRegistered())
        let object = try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] ?? [:]
        if object["client_name"] == nil { described.name = url.host }
        switch object["token_endpoint_auth_method"] as? String {
        case nil, "none": break
        case "private_key_jwt" where assertions != nil:
            described.authenticationMethods = [.privateKeyJWT]
            described.keySetURI = object["jwks_uri"] as? String
            if let keys = object["jwks"] as? [String: Any] {
                described.keySet = String(
                    decoding: try JSONSerialization.data(withJSONObject: keys), as: UTF8.self)
            }
        default:
            throw OAuthError.invalidRequest(
                "token_endpoint_auth_method of the application's metadata is not one of those for such clients."
            )
        }
        do { described = try described.checked() } catch let error as VaultError {
            throw OAuthError.invalidRequest("The application's metadata will not do: \(error.message)")
        }
        guard var known else {
            return Client(described, clientID: clientID, registeredAt: vault.clock.now())
        }
        known.registration = known.isChangedByOperator ? described.bounded(by: known.registration) : described
        return known
    }
}

extension Client {
    /// Where its metadata lie; nil: it has a `client_id` of ours.
    package var documentURL: DocumentURL? { isSelfRegistered ? DocumentURL(clientID) : nil }
}

extension OAuthError {
    init(_ problem: DocumentProblem) {
        switch problem {
        case .content(let text): self = .invalidRequest(text)
        case .notFetched where problem.isPassing:
            self.init(
                .temporarilyUnavailable, status: 503,
                "What the application says of itself cannot be read now. Try again.", retryAfter: 5)
        case .notFetched(let failure):
            self = .invalidRequest("What the application says of itself cannot be read: \(failure.reason).")
        }
    }
}

extension DocumentFailure {
    /// For people, after a colon.
    fileprivate var reason: String {
        switch self {
        // One text: which names there are inside, and what listens there, is not told.
        case .nameLookup, .address, .connect, .tls, .timeout: "its host cannot be reached"
        case .answer: "its host answered with an error or a redirect"
        case .content: "it is not JSON"
        case .tooLarge: "it is too long"
        case .busy, .unavailable: "try again"
        }
    }
}
