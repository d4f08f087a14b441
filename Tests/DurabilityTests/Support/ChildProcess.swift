import Foundation
import Synchronization
import Testing

/// Another process with its standard input and output, which can be killed, stopped and waited for.
final class ChildProcess: Sendable {
    enum End: Equatable {
        case exited(Int32)
        case killed(by: Int32)
        case stopped(by: Int32)
    }

    let id: pid_t
    /// What it writes, line by line, until it ends; a line cut short by its end is not among them.
    let lines: AsyncStream<String>
    private let input: Int32
    private let isReaped = Mutex(false)

    /// - Parameter environment: added to our own.
    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        // One socket for both directions, unlike a pipe created so that no other child inherits it.
        var ends: [Int32] = [0, 0]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        try #require(socketpair(AF_UNIX, kind, 0, &ends) == 0)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        let merged = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = merged.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in words + variables { free(text) } }
        var child: pid_t = 0
        let code = posix_spawnp(&child, arguments[0], &actions, nil, &words, &variables)
        close(ends[1])
        try #require(
            code == 0,
            "\(arguments[0]) does not start (\(String(cString: strerror(code)))): 'make deps' installs it")
        id = child
        input = ends[0]
        lines = Self.lines(of: fcntl(ends[0], F_DUPFD_CLOEXEC, 0))
    }

    deinit {
        close(input)
        // Nobody asked how it ended. A zombie would keep whoever waits for any child from seeing another.
        guard !isReaped.withLock({ $0 }) else { return }
        kill(id, SIGKILL)
        while waitpid(id, nil, 0) == -1, errno == EINTR {}
    }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        // A child that died meanwhile is found out by its end.
        _ = Foundation.send(input, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// The child reads to its end.
    func closeInput() { shutdown(input, Int32(SHUT_WR)) }

    func signal(_ number: Int32) { kill(id, number) }

    /// Waits for its end, or with `WUNTRACED` for its being stopped.
    func end(_ options: Int32 = 0) async -> End {
        await withCheckedContinuation { continuation in
            Thread { [self] in
                var status: Int32 = 0
                while waitpid(id, &status, options) == -1, errno == EINTR {}
                let low = status & 0x7F
                if low != 0x7F { isReaped.withLock { $0 = true } }
                continuation.resume(
                    returning: low == 0
                        ? .exited(status >> 8 & 0xFF)
                        : low == 0x7F ? .stopped(by: status >> 8 & 0xFF) : .killed(by: low))
            }.start()
        }
    }

    private static func lines(of descriptor: Int32) -> AsyncStream<String> {
        let (stream, continuation) = AsyncStream.makeStream(of: String.self)
        Thread {
            var rest: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                let count = read(descriptor, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { break }
                rest += buffer[..<count]
                var lines = rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
                rest = Array(lines.removeLast())
                for line in lines { continuation.yield(String(decoding: line, as: UTF8.self)) }
            }
            close(descriptor)
            continuation.finish()
        }.start()
        return stream
    }
}

/// Runs a tool to its end and returns what it wrote.
func run(_ arguments: String...) async throws -> String {
    let child = try ChildProcess(arguments)
    var output: [String] = []
    for await line in child.lines { output.append(line) }
    let end = await child.end()
    try #require(end == .exited(0), "\(arguments): \(end)")
    return output.joined(separator: "\n")
}
