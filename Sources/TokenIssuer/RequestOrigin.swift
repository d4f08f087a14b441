/// Where a request comes from, as far as the log and the throttle want to know.
struct RequestOrigin: Sendable {
    /// Goes into the log.
    let requestID: String?
    /// Asked for only when something failed before; nil: not known, and failures are not counted.
    let address: @Sendable () -> String?
}
