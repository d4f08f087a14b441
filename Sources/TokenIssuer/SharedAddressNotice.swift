package import Logging
import Synchronization

/// Tells the operator, once for each finding, that users or clients cannot be told apart by their addresses.
package final class SharedAddressNotice: Sendable {
    package enum Finding: String, Sendable {
        case noAddress =
            "Requests name no client in X-Forwarded-For or Forwarded, though trusted-proxy is set."
        case contradiction = "X-Forwarded-For and Forwarded of a request do not name the same client."
        case crowd = "Many users sign in from one private address, which seems to be a proxy's."

        var remedy: String {
            switch self {
            case .noAddress: "Let the proxy write one of the two."
            case .contradiction: "Let the proxy write one of the two and remove the other."
            case .crowd: "Let the proxy write X-Forwarded-For, and set trusted-proxy."
            }
        }
    }

    private let logger: Logger
    private let given = Mutex<Set<Finding>>([])

    package init(_ logger: Logger) { self.logger = logger }

    package func give(_ finding: Finding) {
        guard given.withLock({ $0.insert(finding).inserted }) else { return }
        logger.warning("\(finding.rawValue) \(finding.remedy)")
    }
}
