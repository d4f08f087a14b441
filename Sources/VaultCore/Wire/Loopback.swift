/// The names and addresses of this machine that no other machine is reached by.
package enum Loopback {
    /// `localhost`, `::1` and `127.0.0.0/8` in four parts: `127.1` is a loopback address to some and a name to others.
    package static func contains(_ host: String) -> Bool {
        let host = host.lowercased()
        if ["localhost", "::1", "[::1]"].contains(host) { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127"
            && parts.allSatisfy { part in UInt8(part).map { String($0) == part } ?? false }
    }
}
