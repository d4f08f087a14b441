import Foundation
import NIOCore
public import VaultCore

extension IssuerServer {
    /// A host and a port to listen on.
    public struct Address: Sendable, CustomStringConvertible {
        /// A name or an address; an IPv6 address without brackets.
        public let host: String
        /// 0: any that is free.
        public let port: Int

        public init(host: String, port: Int) {
            self.host = host
            self.port = port
        }

        /// `HOST:PORT`, an IPv6 address in brackets.
        public var description: String { "\(Self.bracketed(host)):\(port)" }

        /// Whether only this machine can reach it.
        public var isLoopback: Bool { Self.isLoopback(host) }

        /// What to tell the operator when the address could not be listened on.
        ///
        /// - Parameters:
        ///   - error: what binding threw.
        ///   - option: the flag that the address came from.
        /// - Returns: nil for an error of another kind.
        public func bindingFailure(_ error: any Error, option: String) -> VaultError? {
            switch error {
            case let error as IOError:
                VaultError(
                    error.errnoCode == EACCES ? .permissionDenied : .unavailable,
                    "\(self) cannot be listened on: \(String(cString: strerror(error.errnoCode))).",
                    remedy: "Choose another \(option) HOST:PORT.")
            case is SocketAddressError.UnknownHost:
                VaultError(
                    .unavailable, "The host name \(host) has no address.",
                    remedy:
                        "Check the spelling in \(option) HOST:PORT and the name service, or give an address.")
            default: nil
            }
        }

        func url(scheme: String, port: Int) -> String { "\(scheme)://\(Self.bracketed(host)):\(port)" }

        static func isLoopback(_ host: String) -> Bool {
            let octets = host.split(separator: ".", omittingEmptySubsequences: false)
            let isIPv4 = octets.count == 4 && octets.allSatisfy { UInt8($0) != nil } && octets.first == "127"
            return isIPv4 || ["localhost", "::1", "[::1]"].contains(host)
        }

        private static func bracketed(_ host: String) -> String {
            host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
        }
    }
}
