/// What a request may be before it is refused: each bound with its reason.
public struct RequestLimits: Sendable {
    /// Longest body that is read: a token request with every parameter at its longest is under 8 KiB. More:
    /// 413.
    public var bodyBytes = 64 * 1024
    /// Time for the body to arrive, and longest silence of a connection. More: 408, or the connection is
    /// closed.
    public var readTime = Duration.seconds(10)
    /// Whether failed authentications are counted by the last address in `X-Forwarded-For`, or in `Forwarded` (RFC 7239),
    /// instead of the connection's.
    ///
    /// Only behind a proxy that writes one of these headers itself: otherwise every stranger chooses where its guesses
    /// seem to come from. Without it behind a proxy, all clients share the proxy's address.
    public var trustsForwardedFor = false
    /// Body beyond ``bodyBytes`` that is read and thrown away, so that the connection survives a 413.
    static let drainedBytes = 1024 * 1024
    /// Headers of a request: ours take a few hundred bytes, proxies add their own.
    static let headerBytes = 16 * 1024
    static let headerFields = 100

    public init() {}
}
