import NIOCore
import VaultCore

/// Ends a connection that has brought more octets than any answer has, before the parser keeps them.
final class ReplyBound: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    struct Exceeded: Error {}

    /// A whole body, and what stands around it: header fields, sizes of chunks.
    static let octets = Limits.sealedReplyBytes + 64 * 1024

    private var left = octets

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard left >= 0 else { return }
        left -= unwrapInboundIn(data).readableBytes
        if left >= 0 { return context.fireChannelRead(data) }
        context.fireErrorCaught(Exceeded())
        context.close(promise: nil)
    }
}
