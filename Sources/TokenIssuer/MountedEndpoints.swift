import Synchronization

/// Which endpoints are served, and where: metadata names these and no other.
package final class MountedEndpoints: Sendable {
    package enum Name: Sendable {
        case authorization
        case token
        case revocation
        case introspection
        case userinfo
        case keySet
    }

    private let paths = Mutex<[Name: String]>([:])

    package init() {}

    /// - Parameter path: below the issuer's URL; of several, the first counts.
    package func add(_ name: Name, at path: String) {
        paths.withLock { paths in paths[name] = paths[name] ?? path }
    }

    package subscript(name: Name) -> String? { paths.withLock { $0[name] } }
}
