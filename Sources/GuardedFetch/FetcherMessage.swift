import TokenIssuer
import VaultCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// What goes over the socket between the service and its fetcher: one message a packet.
///
/// A question is a number (8 octets, big-endian), the kind, flags (1: the host may be inside, 2: the client is known), and
/// the URL. An answer is the
/// number, a failure or 0, and the body. The first message is the fetcher's: number 0, and what confines it.
enum FetcherMessage {
    static let headBytes = 9
    /// The longest of all, an answer with a key set.
    static let limit = headBytes + DocumentRequest.Kind.keys.limit

    static func question(_ number: UInt64, _ request: DocumentRequest) -> [UInt8] {
        let flags: UInt8 = (request.mayBeInside ? 1 : 0) | (request.isKnown ? 2 : 0)
        return head(number, request.kind.rawValue) + [flags] + request.url.text.utf8
    }

    static func answer(_ number: UInt64, _ result: Result<[UInt8], DocumentFailure>) -> [UInt8] {
        switch result {
        case .success(let body): head(number, 0) + body
        case .failure(let failure): head(number, failure.rawValue)
        }
    }

    static func greeting(_ confinement: Confinement) -> [UInt8] { head(0, UInt8(confinement.rawValue)) }

    /// Nil: not a question.
    static func question(_ packet: [UInt8]) -> (number: UInt64, request: DocumentRequest)? {
        guard packet.count > headBytes, let kind = DocumentRequest.Kind(rawValue: packet[headBytes - 1]),
            packet[headBytes] <= 3,
            let url = DocumentURL(String(decoding: packet[(headBytes + 1)...], as: UTF8.self))
        else { return nil }
        let flags = packet[headBytes]
        return (
            number(packet),
            DocumentRequest(url, kind, mayBeInside: flags & 1 == 1, isKnown: flags & 2 == 2)
        )
    }

    /// Nil: not an answer.
    static func answer(_ packet: [UInt8]) -> (number: UInt64, result: Result<[UInt8], DocumentFailure>)? {
        guard packet.count >= headBytes else { return nil }
        let word = packet[headBytes - 1]
        if word == 0 { return (number(packet), .success(Array(packet[headBytes...]))) }
        guard packet.count == headBytes, let failure = DocumentFailure(rawValue: word) else { return nil }
        return (number(packet), .failure(failure))
    }

    /// Nil: not a greeting.
    static func greeting(_ packet: [UInt8]) -> Confinement? {
        guard packet.count == headBytes, number(packet) == 0 else { return nil }
        return Confinement(rawValue: Int32(packet[headBytes - 1]))
    }

    private static func head(_ number: UInt64, _ word: UInt8) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) } + [word]
    }

    private static func number(_ packet: [UInt8]) -> UInt64 {
        packet.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// A socket of packets.
enum PacketSocket {
    /// The next packet; nil: the other side has gone, or what it sent is longer than a message.
    static func take(_ descriptor: Int32) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: FetcherMessage.limit)
        while true {
            let count = buffer.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress, $0.count, Int32(MSG_TRUNC))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0, count <= buffer.count else { return nil }
            return Array(buffer.prefix(count))
        }
    }

    static func drop(_ descriptor: Int32) { close(descriptor) }

    /// Whether the other side will get it.
    static func put(_ packet: [UInt8], _ descriptor: Int32, waits: Bool) -> Bool {
        let flags = Int32(MSG_NOSIGNAL) | (waits ? 0 : Int32(MSG_DONTWAIT))
        while true {
            let count = packet.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, flags) }
            if count < 0, errno == EINTR { continue }
            return count == packet.count
        }
    }
}

/// What the kernel holds a fetcher to.
public struct Confinement: OptionSet, Sendable {
    public let rawValue: Int32

    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// Landlock: it reads no file but those that resolving a name takes.
    public static let files = Confinement(rawValue: 1)
    /// Landlock: TCP to ports 443 and 53 only.
    public static let ports = Confinement(rawValue: 2)
    /// seccomp: no program, no process, no listening, no writing of files.
    public static let calls = Confinement(rawValue: 4)

    public static let whole: Confinement = [.files, .ports, .calls]
}
