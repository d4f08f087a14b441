import NIOCore
import NIOHTTP1

/// Lets a request through to the wire if its sender still waits for it, and remembers that it left. It stands
/// between the library's handler and the encoder of HTTP/1.1, on a connection of its own for each request.
final class DepartureGate: ChannelOutboundHandler {
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    /// The sender took the request back.
    private struct HeldBack: Error {}

    private let departures: Departures
    private var isOpen = false

    init(_ departures: Departures) { self.departures = departures }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        var part = unwrapOutboundIn(data)
        if case .head(var head) = part {
            // A request without a number of ours is not let through: nothing may leave unseen.
            isOpen = head.headers.first(name: Departures.header).map(departures.leave) ?? false
            head.headers.remove(name: Departures.header)
            part = .head(head)
            // Not here: the library does not expect the end of a connection inside of a write.
            if !isOpen {
                context.eventLoop.execute { [channel = context.channel] in channel.close(promise: nil) }
            }
        }
        guard isOpen else {
            promise?.fail(HeldBack())
            return
        }
        context.write(wrapOutboundOut(part), promise: promise)
    }
}
