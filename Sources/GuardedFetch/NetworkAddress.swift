import NIOCore
import TokenIssuer

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// An IP address that a name resolved to: 4 or 16 octets in network order.
package struct NetworkAddress: Sendable, Hashable {
    package let octets: [UInt8]

    /// Who may send us there.
    package enum Reach: Sendable {
        /// Public: any stranger.
        case outside
        /// Private or this machine: the operator alone, by the name of a host.
        case inside
        /// Not even the operator: link-local, where clouds keep credentials; multicast; addresses inside of others.
        case never
    }

    package init(_ octets: [UInt8]) { self.octets = octets }

    package var reach: Reach {
        let isV4 = octets.count == 4
        func isIn(_ blocks: [Block]) -> Bool { blocks.contains { $0.contains(octets) } }
        if isIn(Self.insideBlocks) { return .inside }
        // Global unicast is one eighth of IPv6 (RFC 4291 section 2.4); the rest is loopback, mapped (::ffff:0:0/96), NAT64
        // (64:ff9b::/96), discard (100::/64), segment routing (5f00::/16), link-local, multicast, or nobody's yet.
        guard isV4 || octets.count == 16 && octets[0] & 0xE0 == 0x20 else { return .never }
        return isIn(isV4 ? Self.neverV4 : Self.neverV6) ? .never : .outside
    }

    /// Those who count as one: all of IPv6 that one customer gets.
    var place: [UInt8] { octets.count == 4 ? octets : Array(octets.prefix(8)) }

    /// The addresses of a name, as the system's resolver has them; it blocks.
    static func all(of host: String, mayBeInside: Bool) throws(DocumentFailure) -> [NetworkAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(streamSocket)
        var first: UnsafeMutablePointer<addrinfo>?
        // With a dot at the end no search domain is tried; names of /etc/hosts have none there.
        guard getaddrinfo(mayBeInside ? host : host + ".", nil, &hints, &first) == 0 else {
            throw .nameLookup
        }
        defer { freeaddrinfo(first) }
        var found: [NetworkAddress] = []
        var next = first
        while let entry = next?.pointee {
            next = entry.ai_next
            let octets: (offset: Int, count: Int)
            switch entry.ai_family {
            case AF_INET: octets = (MemoryLayout<sockaddr_in>.offset(of: \.sin_addr) ?? 0, 4)
            case AF_INET6: octets = (MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr) ?? 0, 16)
            // An address of another kind is refused.
            default: throw .address
            }
            let bytes = UnsafeRawBufferPointer(
                start: UnsafeRawPointer(entry.ai_addr) + octets.offset, count: octets.count)
            found.append(NetworkAddress(Array(bytes)))
        }
        return found
    }

    #if canImport(Glibc)
        private static let streamSocket = SOCK_STREAM.rawValue
    #else
        private static let streamSocket = SOCK_STREAM
    #endif
}

extension NetworkAddress {
    private struct Block {
        let octets: [UInt8]
        let bits: Int

        init(_ octets: [UInt8], _ bits: Int) {
            self.octets = octets
            self.bits = bits
        }

        func contains(_ address: [UInt8]) -> Bool {
            guard (octets.count > 4) == (address.count > 4) else { return false }
            for index in 0..<(bits + 7) / 8 {
                let mask = UInt8(truncatingIfNeeded: 0xFF00 >> min(8, bits - 8 * index))
                if address[index] & mask != octets[index] & mask { return false }
            }
            return true
        }
    }

    private static let insideBlocks = [
        Block([10, 0, 0, 0], 8), Block([172, 16, 0, 0], 12), Block([192, 168, 0, 0], 16),
        // Shared by a provider's customers (RFC 6598).
        Block([100, 64, 0, 0], 10), Block([127, 0, 0, 0], 8),
        // Unique local addresses (RFC 4193), and loopback.
        Block([0xFC, 0, 0, 0, 0], 7), Block([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 128),
    ]

    /// https://www.iana.org/assignments/iana-ipv4-special-registry, with multicast and what is reserved.
    private static let neverV4 = [
        Block([0, 0, 0, 0], 8), Block([169, 254, 0, 0], 16), Block([192, 0, 0, 0], 24),
        // Documentation; AS112; multicast tunnels; 6to4 relays; AS112; benchmarks.
        Block([192, 0, 2, 0], 24), Block([192, 31, 196, 0], 24), Block([192, 52, 193, 0], 24),
        Block([192, 88, 99, 0], 24), Block([192, 175, 48, 0], 24), Block([198, 18, 0, 0], 15),
        Block([198, 51, 100, 0], 24), Block([203, 0, 113, 0], 24), Block([224, 0, 0, 0], 3),
    ]

    /// https://www.iana.org/assignments/iana-ipv6-special-registry, what of it is global unicast.
    private static let neverV6 = [
        // Protocol assignments with Teredo, benchmarks and ORCHID; documentation; 6to4; documentation; AS112.
        Block([0x20, 0x01, 0, 0, 0], 23), Block([0x20, 0x01, 0x0D, 0xB8, 0], 32),
        Block([0x20, 0x02, 0, 0, 0], 16),
        Block([0x3F, 0xFF, 0, 0, 0], 20), Block([0x26, 0x20, 0, 0x4F, 0x80, 0], 48),
    ]
}
