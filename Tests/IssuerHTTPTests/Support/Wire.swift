import Foundation
import VaultCore

/// A connection, of TCP or to a Unix socket, on which a test sends any octets it likes; every call blocks a thread of its own.
final class Wire: Sendable {
    struct Trouble: Error { let what: String }

    private let descriptor: Int32

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        try Self.connect(descriptor, to: &address)
    }

    init(socket path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw Trouble(what: "the path is too long: \(path)")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        try Self.connect(descriptor, to: &address)
    }

    private static func connect<Address>(_ descriptor: Int32, to address: inout Address) throws {
        // No test waits for ever.
        var limit = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Foundation.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        guard code == 0 else { throw Trouble(what: "connect: \(String(cString: strerror(errno)))") }
    }

    deinit { close(descriptor) }

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) async throws {
        try await Self.onThread { [descriptor] in
            var sent = 0
            while sent < bytes.count {
                let count = bytes[sent...].withUnsafeBytes {
                    Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { throw Trouble(what: "send: \(String(cString: strerror(errno)))") }
                sent += count
            }
        }
    }

    /// Says that nothing more will be sent.
    func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// The next response.
    func reply(toHead: Bool = false) async throws -> Reply {
        try await Self.onThread { [self] in
            var bytes: [UInt8] = []
            while true {
                if let reply = Reply(bytes, isToHead: toHead) { return reply }
                guard let more = try receive() else {
                    throw Trouble(
                        what: "the connection ended after \(String(decoding: bytes, as: UTF8.self))")
                }
                bytes += more
            }
        }
    }

    /// Everything until a text came as often as is said.
    func text(untilCount count: Int, of part: String) async throws -> String {
        try await Self.onThread { [self] in
            var bytes: [UInt8] = []
            while true {
                let text = String(decoding: bytes, as: UTF8.self)
                if text.ranges(of: part).count >= count { return text }
                guard let more = try receive() else {
                    throw Trouble(what: "the connection ended after \(text)")
                }
                bytes += more
            }
        }
    }

    /// Everything until the server closes.
    func rest() async throws -> [UInt8] {
        try await Self.onThread { [self] in
            var bytes: [UInt8] = []
            while let more = try receive() { bytes += more }
            return bytes
        }
    }

    /// Whether the server said or closed something within `milliseconds`.
    func hasNews(within milliseconds: Int32) async throws -> Bool {
        try await Self.onThread { [descriptor] in
            var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            return poll(&request, 1, milliseconds) > 0
        }
    }

    /// Nil: the server closed.
    private func receive() throws -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count < 0, errno == ECONNRESET { return nil }
        guard count >= 0 else { throw Trouble(what: "recv: \(String(cString: strerror(errno)))") }
        return count == 0 ? nil : Array(buffer.prefix(count))
    }

    private static func onThread<Result: Sendable>(
        _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Swift.Result(catching: body)) }
        }
    }
}
