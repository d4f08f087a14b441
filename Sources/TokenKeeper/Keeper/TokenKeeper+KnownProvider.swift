package import VaultCore

extension TokenKeeper {
    /// A provider as this keeper calls it, for those who check or steer it by hand.
    ///
    /// - Throws: ``VaultError/Code/notFound``, ``VaultError/Code/invalidInput`` for an entry this version cannot read.
    package func knownProvider(named name: String) throws -> KnownProvider {
        try providers.provider(named: name, in: vault)
    }

    package func knownProvider(_ id: ProviderID) throws -> KnownProvider {
        try providers.provider(id, in: vault)
    }
}
