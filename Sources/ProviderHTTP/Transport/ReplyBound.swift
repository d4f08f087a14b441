import NIOCore
import VaultCore

/// Ends a connection that has brought more octets than any answer has, before the parser keeps them.
final class ReplyBound: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    struct Exceeded: Error {}

    private var left: Int

    /// - Parameter bodyBytes: of a whole body, to which comes what stands around it: header fields, sizes of chunks.
    init(bodyBytes: Int) { left = bodyBytes + 64 * 1024 }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard left >= 0 else { return }
        left -= unwrapInboundIn(data).readableBytes
        if left >= 0 { return context.fireChannelRead(data) }
        context.fireErrorCaught(Exceeded())
        context.close(promise: nil)
    }
}
