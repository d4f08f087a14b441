import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import TokenKeeper

/// The library's errors in our words; their texts are dropped, they quote header fields and addresses.
extension TransportFailure.Cause {
    /// Of an attempt that ended before the request was given to a connection.
    static func beforeDeparture(_ error: any Error) -> Self {
        switch error {
        case is HTTPClientRequest.InvalidURL: .invalidURL
        case is Deadline.Exceeded: .timeout
        case let error as NIOConnectionError: connection(error)
        // The last: closed before the gate was in its place.
        case is IOError, is ChannelPipelineError: .connect
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError, is NIOTLSUnwrappingError: .tls
        case let error as ChannelError: if case .connectTimeout = error { .timeout } else { .connect }
        case let error as HTTPClientError: earlyClient(error)
        default: .other
        }
    }

    /// Of an attempt whose request may have left.
    static func afterDeparture(_ error: any Error) -> Self {
        switch error {
        case let error as IncomingReply.Failure: error.cause
        case is ReplyBound.Exceeded: .tooLarge
        case is Deadline.Exceeded: .timeout
        case HTTPParserError.invalidEOFState: .truncated
        case HTTPParserError.headerOverflow: .tooLarge
        case is HTTPParserError: .other
        case is IOError, is ChannelError, is NIOSSLError, is BoringSSLError: .reset
        case let error as HTTPClientError: lateClient(error)
        default: .other
        }
    }

    private static func connection(_ error: NIOConnectionError) -> Self {
        // A host that has addresses of one kind alone gives an error for the other kind.
        if error.connectionErrors.isEmpty { return .nameLookup }
        let isSlow = error.connectionErrors.allSatisfy { failure in
            if case .connectTimeout? = failure.error as? ChannelError { true } else { false }
        }
        return isSlow ? .timeout : .connect
    }

    private static func earlyClient(_ error: HTTPClientError) -> Self {
        switch error {
        case .connectTimeout, .deadlineExceeded, .getConnectionFromPoolTimeout: .timeout
        case .tlsHandshakeTimeout: .tls
        case .alreadyShutdown, .cancelled: .shutdown
        case .remoteConnectionClosed, .uncleanShutdown: .connect
        case .invalidURL, .emptyHost, .emptyScheme: .invalidURL
        default: .other
        }
    }

    private static func lateClient(_ error: HTTPClientError) -> Self {
        switch error {
        case .remoteConnectionClosed, .uncleanShutdown: .reset
        case .cancelled: .shutdown
        default: .other
        }
    }
}
