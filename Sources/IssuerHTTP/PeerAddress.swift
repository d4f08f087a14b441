import HTTPTypes
import Hummingbird
import TokenIssuer
import VaultCore

/// Where a request came from, as the throttles of failed authentications count it.
package struct PeerAddress: Sendable {
    /// The network that counts as one place, in hexadecimal; nil where it is not known.
    let network: String?
    /// Whether it is known that people who have nothing to do with each other come from there.
    let isShared: Bool
    /// Whether it belongs to this machine or to a private network, and so may be a proxy's.
    let isPrivate: Bool

    /// Looked up when it is asked for: few requests need it.
    static func of<Context: RequestContext>(
        _ request: Request, _ context: Context, _ limits: RequestLimits, _ issuer: TokenIssuer
    ) -> @Sendable () -> PeerAddress {
        let headers = limits.trustsForwardedFor ? request.headers : [:]
        return {
            let connection = (context as? any RemoteAddressRequestContext)?.remoteAddress
                .flatMap(IPAddress.init)
            guard limits.trustsForwardedFor else {
                return PeerAddress(connection, isShared: connection == nil)
            }
            let named = Set(IPAddress.forwarded(by: headers))
            if named.count == 1, let address = named.first, let address {
                return PeerAddress(address, isShared: false)
            }
            // Strangers can add a header that the proxy does not write. What they say then counts for nothing, and frees
            // them of nothing.
            let isContradicted = named.contains { $0 != nil }
            issuer.sharedAddress.give(isContradicted ? .contradiction : .noAddress)
            return PeerAddress(connection, isShared: !isContradicted)
        }
    }

    private init(_ address: IPAddress?, isShared: Bool) {
        self.init(
            network: address.map { Hex.encode($0.network) }, isShared: isShared,
            isPrivate: address?.isPrivate ?? false)
    }

    package init(network: String?, isShared: Bool, isPrivate: Bool) {
        self.network = network
        self.isShared = isShared
        self.isPrivate = isPrivate
    }
}
