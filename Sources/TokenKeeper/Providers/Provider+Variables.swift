public import VaultCore

extension Provider {
    /// The `{variables}` of the endpoints, each once, in the order they come.
    public var variables: [String] {
        var seen: Set<String> = []
        return endpoints.all.flatMap { EndpointTemplate($0)?.variables ?? [] }.filter {
            seen.insert($0).inserted
        }
    }

    /// The endpoints come from the discovery document of ``Endpoints/issuer``.
    public var isDiscovered: Bool { endpoints.token.isEmpty }

    /// The provider with its variables filled: by `values`, else by its defaults. A variable that is part of
    /// a host name takes letters, digits and hyphens; one that is a whole host also dots; in a path also `.`
    /// and `_`; one that is a whole URL takes an https URL without a query.
    ///
    /// - Throws: ``VaultError/Code/invalidInput`` that names the variable that is missing, unknown, or does not fit.
    public func filling(_ values: [String: String]) throws(VaultError) -> Provider {
        let variables = self.variables
        if let unknown = values.keys.sorted().first(where: { !variables.contains($0) }) {
            throw VaultError(
                .invalidInput, "\(name) has no variable \(EntryNode.shown(unknown)).",
                remedy: variables.isEmpty
                    ? "It takes none." : "It takes \(variables.joined(separator: ", ")).")
        }
        let values = defaults.merging(values) { $1 }
        if let missing = variables.first(where: { values[$0] == nil }) {
            throw VaultError(
                .invalidInput, "\(name) needs a value for \(missing).",
                remedy: "Give it when adding the provider.")
        }
        var filled = self
        filled.endpoints = try endpoints.mapping { (url) throws(VaultError) in
            var misfit = ""
            guard let result = EndpointTemplate(url)?.filled(values, misfit: &misfit),
                result.isEmpty || EndpointURL.fault(of: result) == nil
            else {
                throw VaultError(
                    .invalidInput, "The value for \(misfit) does not fit into the addresses of \(name).",
                    remedy: "Letters, digits and hyphens fit everywhere; dots only in a whole host or a path."
                )
            }
            return result
        }
        return filled
    }
}

extension Provider.Endpoints {
    fileprivate var all: [String] {
        [authorization, token, refresh, revocation, deviceAuthorization, issuer].compactMap(\.self)
    }

    fileprivate func mapping(
        _ transform: (String) throws(VaultError) -> String
    ) throws(VaultError) -> Provider.Endpoints {
        var mapped = self
        mapped.token = try transform(token)
        if let authorization { mapped.authorization = try transform(authorization) }
        if let refresh { mapped.refresh = try transform(refresh) }
        if let revocation { mapped.revocation = try transform(revocation) }
        if let deviceAuthorization { mapped.deviceAuthorization = try transform(deviceAuthorization) }
        if let issuer { mapped.issuer = try transform(issuer) }
        return mapped
    }
}
