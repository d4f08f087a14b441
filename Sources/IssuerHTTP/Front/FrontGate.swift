import Foundation
import Logging
import NIOCore

/// The first to see what comes over the front's socket: lets one request of the trusted user through, and closes the
/// connection without an answer at anything else.
final class FrontGate: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// `struct ucred` of the kernel (unix(7)), which the C library shows to GNU programs alone.
    private struct PeerCredentials {
        let process: Int32
        let user: UInt32
        let group: UInt32
    }

    private let front: TrustedFront
    private let logger: Logger
    private var isTrusted = false
    /// Nil: the request is on its way, and nothing may follow.
    private var head: [UInt8]? = []

    init(_ front: TrustedFront, _ logger: Logger) {
        self.front = front
        self.logger = logger
    }

    /// Asks the kernel who connected: no octet is looked at before.
    func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        guard let socket = context.channel as? any SocketOptionProvider else {
            return close(context, "no socket")
        }
        let asked: EventLoopFuture<PeerCredentials> = socket.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
        asked.assumeIsolated().whenComplete { [self] result in
            guard let peer = try? result.get(), peer.user == front.user else {
                return close(context, "another user")
            }
            isTrusted = true
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard isTrusted, var head else { return close(context, "more than one request") }
        head += unwrapInboundIn(data).readableBytesView
        self.head = head
        let end: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A]
        guard head.count >= end.count, let last = head.firstRange(of: end)?.upperBound else {
            if head.count > FrontHead.longest { close(context, "too long") }
            return
        }
        guard last == head.endIndex, let request = FrontHead(head) else {
            return close(context, "ambiguous, or no GET")
        }
        self.head = nil
        context.fireChannelRead(wrapInboundOut(request.forwarded))
    }

    private func close(_ context: ChannelHandlerContext, _ reason: String) {
        isTrusted = false
        logger.notice("A connection to the front's socket was closed.", metadata: ["reason": "\(reason)"])
        context.close(promise: nil)
    }
}
