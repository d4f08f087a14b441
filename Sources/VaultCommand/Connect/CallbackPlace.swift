import Foundation
import TokenKeeper
import VaultCore

/// Where the browser comes back to on this machine (RFC 8252 section 7.3), and what it may call that place.
struct CallbackPlace: Sendable {
    let host: String
    /// 0: a free one.
    let port: Int
    let path: String
    /// As it is registered at the provider; nil: the place itself, with the port that it got.
    private let registered: URLComponents?

    /// - Throws: `VaultError.Code.invalidInput` for what others than this machine could reach or send.
    init(listen: ListenAddress?, redirectURI: String?) throws {
        registered = try redirectURI.map(Self.components)
        path = registered.map { $0.percentEncodedPath.isEmpty ? "/" : $0.percentEncodedPath } ?? "/callback"
        if let listen {
            (host, port) = (listen.host, listen.port)
        } else if let registered, let name = registered.host, Loopback.contains(name) {
            (host, port) = (Self.bare(name), registered.port ?? 80)
        } else if registered != nil {
            throw VaultError(
                .invalidInput, "The redirect URI leads to another machine.",
                remedy: "Say where its requests arrive on this machine: --listen 127.0.0.1:PORT.")
        } else {
            (host, port) = ("127.0.0.1", 0)
        }
        guard Loopback.contains(host) else {
            throw VaultError(
                .invalidInput, "Other machines could reach \(host).",
                remedy: "Listen on a loopback address, for example --listen 127.0.0.1:8765")
        }
    }

    func redirectURI(port: Int) -> String {
        registered?.string ?? "http://\(authority(host, port))\(path)"
    }

    /// What `Host` may say: a page of another name that resolves to this machine is turned away.
    func authorities(port: Int) -> Set<String> {
        var names: Set = [authority(host, port), "localhost:\(port)"]
        if let registered, let name = registered.host {
            names.insert(registered.port.map { "\(name):\($0)" } ?? name)
        }
        if port == 80 { names.formUnion([authority(host, nil), "localhost"]) }
        return Set(names.map { $0.lowercased() })
    }

    private func authority(_ host: String, _ port: Int?) -> String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port.map { "\(name):\($0)" } ?? name
    }

    private static func components(_ uri: String) throws -> URLComponents {
        let fault = EndpointURL.fault(of: uri)
        guard fault == nil, let components = URLComponents(string: uri), components.query == nil else {
            throw VaultError(
                .invalidInput, "The redirect URI \(fault ?? "has a query").",
                remedy:
                    "Give the one that is registered, as in: --redirect-uri http://127.0.0.1:8765/callback")
        }
        return components
    }

    private static func bare(_ name: String) -> String { name.filter { $0 != "[" && $0 != "]" } }
}
