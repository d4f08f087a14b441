import Foundation
import VaultCore

/// Where a request came from, as the throttles of failed authentications count it.
package struct PeerAddress: Sendable {
    /// The network that counts as one place, in hexadecimal; nil where it is not known.
    package let network: String?
    /// Whether it is known that people who have nothing to do with each other come from there.
    package let isShared: Bool
    /// Whether it belongs to this machine or to a private network, and so may be a proxy's.
    package let isPrivate: Bool

    package init(_ address: IPAddress?, isShared: Bool) {
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
package struct IPAddress: Hashable, Sendable {
    /// 4, also of an IPv4 address that is written as one of IPv6; or 16.
    private let octets: [UInt8]

    /// Reads an address as proxies write it: with or without a port, of IPv6 with or without brackets.
    package init?(_ text: Substring) {
        if let octets = Self.octets(of: text) {
            self.octets = octets
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
        guard let octets = Self.octets(of: host) else { return nil }
        self.octets = octets
    }

    private static func octets(of text: Substring) -> [UInt8]? {
        var (four, six) = (in_addr(), in6_addr())
        if inet_pton(AF_INET, String(text), &four) == 1 { return withUnsafeBytes(of: four) { Array($0) } }
        guard inet_pton(AF_INET6, String(text), &six) == 1 else { return nil }
        let all = withUnsafeBytes(of: six) { Array($0) }
        let isMapped = all[..<10].allSatisfy { $0 == 0 } && all[10...11] == [0xFF, 0xFF]
        return isMapped ? Array(all[12...]) : all
    }

    /// What counts as one place: the address, or the /64 of an IPv6 address, of which each subscriber has a whole one.
    package var network: ArraySlice<UInt8> { octets.prefix(octets.count == 4 ? 4 : 8) }

    /// Whether it is of this machine (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3).
    var isLoopback: Bool {
        octets.count == 4 ? octets[0] == 127 : octets.dropLast().allSatisfy { $0 == 0 } && octets.last == 1
    }

    /// Whether it is of this machine or of a network that is not the internet (RFC 1918, 6598, 3927, 4193, 4291).
    package var isPrivate: Bool {
        let (first, second) = (octets[0], octets[1])
        guard octets.count == 4 else {
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
