import Synchronization

/// The URL an issuer is known by; of a server on any free port it is known once the port is bound.
package final class IssuerURL: Sendable {
    private let known: Mutex<String?>

    package init(_ value: String? = nil) { known = Mutex(value) }

    /// Nil: none, or none yet.
    package var value: String? { known.withLock { $0 } }

    /// Says what it is; what was said first stays.
    package func become(_ value: String) {
        known.withLock { known in known = known ?? value }
    }
}
