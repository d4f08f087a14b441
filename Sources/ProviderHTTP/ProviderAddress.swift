import Foundation

/// Where a request goes, read by the same parser as the library's, and refused where tokens may not go.
/// `https` to anywhere, `http` to this machine alone; no user information, no fragment, printable ASCII only.
struct ProviderAddress: Sendable, Hashable {
    /// Scheme, host and port in one spelling: `https://api.example:443`.
    let origin: String
    let isEncrypted: Bool

    /// Nil: not an address that a token may go to.
    init?(_ text: String) {
        // The parser would escape what is not allowed in a URL; what is not a URL is no address.
        guard text.utf8.count <= Self.maximumBytes, text.utf8.allSatisfy({ 0x21...0x7e ~= $0 }),
            let url = URL(string: text), let scheme = url.scheme?.lowercased(),
            let host = url.host?.lowercased(), !host.isEmpty,
            url.user == nil, url.password == nil, url.fragment == nil
        else { return nil }
        switch scheme {
        case "https": isEncrypted = true
        case "http" where Self.isLoopback(host): isEncrypted = false
        default: return nil
        }
        let port = url.port ?? (isEncrypted ? 443 : 80)
        guard 1...65535 ~= port else { return nil }
        origin = "\(scheme)://\(host):\(port)"
    }

    /// Longer ones do not survive servers.
    private static let maximumBytes = 16 * 1024

    /// `localhost`, `::1` and `127.0.0.0/8` in four parts: `127.1` is a loopback address to some and a name to others.
    private static func isLoopback(_ host: String) -> Bool {
        if ["localhost", "::1", "[::1]"].contains(host) { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127"
            && parts.allSatisfy { part in UInt8(part).map { String($0) == part } ?? false }
    }
}
