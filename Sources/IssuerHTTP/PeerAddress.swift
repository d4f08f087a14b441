import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import TokenIssuer
import TokenVault
import VaultCore

extension PeerAddress {
    /// Looked up when it is asked for: few requests need it.
    static func of<Context: RequestContext>(
        _ request: Request, _ context: Context, _ configuration: RequestConfiguration, _ issuer: TokenIssuer
    ) -> @Sendable () -> PeerAddress {
        let headers = configuration.trustsForwardedFor ? request.headers : [:]
        return {
            let connection = (context as? any RemoteAddressRequestContext)?.remoteAddress
                .flatMap(\.ipAddress).flatMap { IPAddress($0[...]) }
            guard configuration.trustsForwardedFor else {
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
