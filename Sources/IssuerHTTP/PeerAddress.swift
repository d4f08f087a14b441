import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
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

/// An address of IPv4 or IPv6, without a port.
struct IPAddress: Hashable, Sendable {
    /// 4, also of an IPv4 address that is written as one of IPv6; or 16.
    private let octets: [UInt8]

    /// Nil for a socket of the file system.
    init?(_ address: SocketAddress) {
        switch address {
        // The address stands at octet 4 of sockaddr_in and at octet 8 of sockaddr_in6, everywhere.
        case .v4(let address): octets = withUnsafeBytes(of: address.address) { Array($0[4..<8]) }
        case .v6(let address):
            let all = withUnsafeBytes(of: address.address) { Array($0[8..<24]) }
            let isMapped = all[..<10].allSatisfy { $0 == 0 } && all[10...11] == [0xFF, 0xFF]
            octets = isMapped ? Array(all[12...]) : all
        case .unixDomainSocket: return nil
        }
    }

    /// Reads an address as proxies write it: with or without a port, of IPv6 with or without brackets.
    init?(_ text: Substring) {
        if let address = try? SocketAddress(ipAddress: String(text), port: 0) {
            self.init(address)
            return
        }
        var host = text
        if host.last != "]" {
            guard let colon = host.lastIndex(of: ":"), UInt16(host[host.index(after: colon)...]) != nil else {
                return nil
            }
            host = host[..<colon]
        }
        if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() }
        guard let address = try? SocketAddress(ipAddress: String(host), port: 0) else { return nil }
        self.init(address)
    }

    /// What counts as one place: the address, or the /64 of an IPv6 address, of which each subscriber has a whole one.
    var network: ArraySlice<UInt8> { octets.prefix(octets.count == 4 ? 4 : 8) }

    /// Whether it is of this machine or of a network that is not the internet (RFC 1918, 6598, 3927, 4193, 4291).
    var isPrivate: Bool {
        let (first, second) = (octets[0], octets[1])
        guard octets.count == 4 else {
            let isLoopback = octets.dropLast().allSatisfy { $0 == 0 } && octets.last == 1
            return isLoopback || first & 0xFE == 0xFC || first == 0xFE && second & 0xC0 == 0x80
        }
        return switch first {
        case 10, 127: true
        case 100: second & 0xC0 == 64
        case 169: second == 254
        case 172: second & 0xF0 == 16
        case 192: second == 168
        default: false
        }
    }
}

extension IPAddress {
    /// For whom a proxy says that it speaks: one for each of the two headers that is there; nil for one that
    /// names no address. The proxy appends to what came with the request, so only the last word of a header
    /// is its own.
    static func forwarded(by headers: HTTPFields) -> [IPAddress?] {
        let plain = headers[values: .forwardedFor].last.map { IPAddress(lastElement(of: $0)) }
        let standard = headers[values: .forwarded].last.map { field in
            node(of: lastElement(of: field)).flatMap { IPAddress($0) }
        }
        return [plain, standard].compactMap(\.self)
    }

    /// The node of a `for` parameter (RFC 7239 section 4): `for=192.0.2.1:80`, `for="[2001:db8::1]:80";proto=https`.
    private static func node(of element: Substring) -> Substring? {
        for parameter in element.split(separator: ";") {
            let parts = parameter.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, parts[0].trimmingCharacters(in: .spaceAndTab).lowercased() == "for" else {
                continue
            }
            let value = parts[1].trimmingCharacters(in: .spaceAndTab)[...]
            return value.first == "\"" && value.last == "\"" ? value.dropFirst().dropLast() : value
        }
        return nil
    }

    /// Looked for from the end: a quotation mark that a stranger left open before must not hide it.
    private static func lastElement(of field: String) -> Substring {
        field.suffix(from: field.lastIndex(of: ",").map(field.index(after:)) ?? field.startIndex)
            .trimmingCharacters(in: .spaceAndTab)[...]
    }
}

extension HTTPField.Name {
    /// `X-Forwarded-For`.
    fileprivate static let forwardedFor = HTTPField.Name.field("X-Forwarded-For")
    /// `Forwarded` (RFC 7239).
    fileprivate static let forwarded = HTTPField.Name.field("Forwarded")
}
