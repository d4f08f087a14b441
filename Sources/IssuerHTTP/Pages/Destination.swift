import TokenVault

extension Client {
    /// What a page may call the client that is about no request: its name, or where its redirect URIs lead if it chose that
    /// name itself.
    var certainName: String {
        guard isSelfRegistered else { return registration.name.displayed }
        var seen: Set<String> = []
        return registration.redirectURIs.map(\.destination).filter { seen.insert($0).inserted }
            .joined(separator: ", ")
    }
}

extension String {
    /// The place that a redirect URI leads to, for people.
    var destination: String {
        let scheme = prefix { $0 != ":" }.lowercased()
        guard scheme == "http" || scheme == "https" else { return "the app \(scheme) on this device" }
        let authority = dropFirst(scheme.count + 3)
            .prefix { $0 != "/" && $0 != "?" && $0 != "#" }.lowercased()
        let isLoopback = ["127.0.0.1", "[::1]", "localhost"].contains {
            authority == $0 || authority.hasPrefix($0 + ":")
        }
        return isLoopback ? "an app on this device (\(authority))" : authority
    }
}
