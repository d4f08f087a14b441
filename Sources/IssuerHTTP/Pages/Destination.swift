/// Where a redirect URI leads, for people.
struct Destination: CustomStringConvertible {
    let description: String

    init(_ redirectURI: String) {
        let scheme = redirectURI.prefix { $0 != ":" }.lowercased()
        guard scheme == "http" || scheme == "https" else {
            description = "the app \(scheme) on this device"
            return
        }
        let authority = redirectURI.dropFirst(scheme.count + 3)
            .prefix { $0 != "/" && $0 != "?" && $0 != "#" }.lowercased()
        let isLoopback = ["127.0.0.1", "[::1]", "localhost"].contains {
            authority == $0 || authority.hasPrefix($0 + ":")
        }
        description = isLoopback ? "an app on this device (\(authority))" : authority
    }
}
