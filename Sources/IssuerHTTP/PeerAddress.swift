import HTTPTypes
import Hummingbird
import NIOCore
import VaultCore

/// Where a request came from, as the throttle of failed authentications counts it.
enum PeerAddress {
    /// Looked up when it is asked for: few requests need it.
    ///
    /// Nil where the context does not know (``RemoteAddressRequestContext``).
    static func of<Context: RequestContext>(
        _ request: Request, _ context: Context, _ limits: RequestLimits
    ) -> @Sendable () -> String? {
        let forwarded = limits.trustsForwardedFor ? request.headers[values: .forwardedFor].last : nil
        return {
            // The proxy appends whom it speaks for; what stands before was written by strangers.
            if let last = forwarded?.split(separator: ",").last,
                let address = try? SocketAddress(
                    ipAddress: String(last.filter { $0 != " " && $0 != "\t" }), port: 0)
            {
                return network(address)
            }
            let known = (context as? any RemoteAddressRequestContext)?.remoteAddress
            return known.flatMap(network)
        }
    }

    /// An IPv4 address, or the /64 of an IPv6 address: whoever has one of those has all of it.
    private static func network(_ address: SocketAddress) -> String? {
        switch address {
        // The address stands at octet 4 of sockaddr_in and at octet 8 of sockaddr_in6, everywhere.
        case .v4(let address): return withUnsafeBytes(of: address.address) { Hex.encode($0[4..<8]) }
        case .v6(let address):
            let octets = withUnsafeBytes(of: address.address) { Array($0[8..<24]) }
            let isMapped = octets[..<10].allSatisfy { $0 == 0 } && octets[10...11] == [0xFF, 0xFF]
            return Hex.encode(isMapped ? octets[12...] : octets[..<8])
        case .unixDomainSocket: return nil
        }
    }
}

extension HTTPField.Name {
    /// `X-Forwarded-For`.
    static let forwardedFor = HTTPField.Name.field("X-Forwarded-For")
}
