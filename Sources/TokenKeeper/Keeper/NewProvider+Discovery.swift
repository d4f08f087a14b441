package import VaultCore

extension NewProvider {
    /// The entry as it will be called: its variables filled in, the endpoints chosen.
    ///
    /// - Throws: ``VaultError/Code/invalidInput`` naming the field or variable, ``VaultError/Code/notFound``.
    public func filledEntry() throws -> Provider { try registration.provider() }

    /// With the endpoints and the client authentication of the issuer's discovery document, where the entry
    /// leaves them to it; otherwise as it is, and nothing is fetched. They are kept with the provider: a
    /// document that changes later changes nothing here until it is added again.
    ///
    /// - Throws: ``VaultError/Code/unavailable`` if nobody answers, ``VaultError/Code/invalidInput`` for a document that is
    ///   not the issuer's own or names what may not be used.
    public func discovered(over transport: any ProviderTransport) async throws -> NewProvider {
        let entry = try filledEntry()
        guard entry.isDiscovered, let issuer = entry.endpoints.issuer else { return self }
        let completed = try await DiscoveryDocument.fetch(issuer, over: transport).completing(entry)
        var found = self
        found.registration.variables = [:]
        found.registration.endpoints = completed.endpoints
        found.registration.client = completed.client
        if completed.requests.usesPKCE != entry.requests.usesPKCE {
            found.registration.usesPKCE = completed.requests.usesPKCE
        }
        return found
    }
}

extension DiscoveryDocument {
    /// Looks at each of the places where the document may be.
    package static func fetch(
        _ issuer: String, over transport: any ProviderTransport
    ) async throws(VaultError) -> DiscoveryDocument {
        var failure: VaultError?
        for request in requests(issuer: issuer) {
            do throws(TransportFailure) {
                let reply = try await transport.send(request)
                do throws(VaultError) { return try DiscoveryDocument(reply, issuer: issuer) } catch {
                    failure = failure ?? error
                }
            } catch {
                throw VaultError(
                    .unavailable, "The issuer does not answer: \(error.reason(at: request.url)).",
                    remedy: "Check its spelling and the network, or write an entry with endpoints.")
            }
        }
        throw failure ?? VaultError(.invalidInput, "The issuer is not https://host/path.")
    }
}
