import NIOCore
import NIOHTTP1
import Synchronization

/// Tells of each request whether it may have left this machine.
///
/// The library's errors do not say it: a connection that is lost in the handshake looks like one that is lost after
/// the request. So every request waits here under a number that it carries in a header of ours. Two may take the
/// number out, and the first wins: ``DepartureGate``, at the last step before bytes are made of the request, or the
/// sender, once the attempt has failed. A request that the sender took back is not let through the gate any more,
/// and one that the gate let through counts as sent.
final class Departures: Sendable {
    /// Taken off at the gate; it never leaves.
    static let header = "tokenvault-departure"

    private struct State {
        var next: UInt64 = 0
        var waiting: Set<String> = []
    }

    private let state = Mutex(State())

    /// The number of a new request.
    func announce() -> String {
        state.withLock { state in
            state.next += 1
            state.waiting.insert(String(state.next))
            return String(state.next)
        }
    }

    /// The gate asks: false if the request must not leave.
    func leave(_ number: String) -> Bool { state.withLock { $0.waiting.remove(number) != nil } }

    /// The sender takes it back: false if it may have left.
    func takeBack(_ number: String) -> Bool { state.withLock { $0.waiting.remove(number) != nil } }
}

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

/// Counts requests in flight, so that an orderly end waits for their answers: a refresh that is cut off may cost a
/// user's consent.
final class Flights: Sendable {
    private struct State {
        var count = 0
        var isClosed = false
        var waiting: [CheckedContinuation<Void, Never>] = []

        mutating func takeWaiting() -> [CheckedContinuation<Void, Never>] {
            defer { waiting = [] }
            return waiting
        }
    }

    private let state = Mutex(State())

    /// False: no more requests are begun.
    func begin() -> Bool {
        state.withLock { state in
            if !state.isClosed { state.count += 1 }
            return !state.isClosed
        }
    }

    func end() {
        let waiting = state.withLock { state in
            state.count -= 1
            return state.isClosed && state.count == 0 ? state.takeWaiting() : []
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Begins no more and returns when the last has ended.
    func close() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                state.isClosed = true
                if state.count > 0 { state.waiting.append(continuation) }
                return state.count == 0
            }
            if isOver { continuation.resume() }
        }
    }
}
