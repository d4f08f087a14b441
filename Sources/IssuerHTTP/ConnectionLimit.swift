import HummingbirdCore
import Logging

/// Lets connections beyond the maximum wait to be accepted, and says so in the log.
struct ConnectionLimit: AvailableConnectionsDelegate {
    private let maximum: Int
    private let metrics: RequestMetrics
    private let logger: Logger
    private var count = 0
    private var isToldAgainAt = ContinuousClock.now

    init(_ maximum: Int, _ metrics: RequestMetrics, _ logger: Logger) {
        self.maximum = maximum
        self.metrics = metrics
        self.logger = logger
    }

    mutating func connectionOpened() {
        count += 1
        metrics.connectionOpened()
        // Under a flood the log need not say it more than once a minute.
        guard count == maximum, ContinuousClock.now >= isToldAgainAt else { return }
        isToldAgainAt = .now + .seconds(60)
        logger.warning(
            "As many connections are open as may be; the next wait.", metadata: ["maximum": "\(maximum)"])
    }

    mutating func connectionClosed() {
        count -= 1
        metrics.connectionClosed()
    }

    func isAcceptingNewConnections() -> Bool { count < maximum }
}
