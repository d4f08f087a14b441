import CVaultShims
import Foundation
public import Logging
import Synchronization
public import TokenIssuer
import VaultCore

/// Fetches documents in a process of its own, which has nothing of ours: no key, no file, no environment, one socket.
///
/// It is this program, started again. The program calls ``runIfStarted()`` before anything else, and begins the fetcher
/// before it opens the vault:
///
/// ```swift
/// FetcherProcess.runIfStarted()
/// let fetcher = FetcherProcess(logger: logger)
/// defer { fetcher.close() }
/// ```
///
/// A fetcher that ends is begun again with the next fetch, after a second and then at ever longer intervals up to a
/// minute; until then documents are ``/TokenIssuer/DocumentFailure/unavailable``.
public final class FetcherProcess: DocumentFetching {
    private typealias Answer = Result<[UInt8], DocumentFailure>

    private struct State {
        /// -1: it does not run.
        var socket: Int32 = -1
        var process: pid_t = 0
        var nextNumber: UInt64 = 1
        var waiting: [UInt64: CheckedContinuation<Answer, Never>] = [:]
        /// In a row.
        var failures = 0
        var startsAt = ContinuousClock.now
        var isClosed = false
        var confinement: Confinement?
    }

    /// What a fetcher that hangs adds to the time of a fetch.
    private static let patience = FetchEngine.time + .seconds(1)
    private static let longestPause = 60.0

    private let state = Mutex(State())
    private let places = Places<Everywhere>(FetchEngine.atOnce)
    private let logger: Logger

    /// Starts it.
    public init(logger: Logger) {
        self.logger = logger
        state.withLock { start(&$0) }
    }

    /// Becomes the fetcher, and does not return, where this program was started as one.
    public static func runIfStarted() {
        if CommandLine.arguments.dropFirst().elementsEqual([FetcherChild.argument]), FetcherChild.isAnswering
        {
            FetcherChild.run()
        }
    }

    /// Ends it; fetches under way are ``/TokenIssuer/DocumentFailure/unavailable``.
    public func close() {
        state.withLock { state in
            state.isClosed = true
            // The thread that reads sees the end and clears up.
            if state.socket >= 0 { shutdown(state.socket, Int32(SHUT_RDWR)) }
        }
    }

    /// What the kernel holds the fetcher to; nil before it has said so.
    public var confinement: Confinement? { state.withLock { $0.confinement } }

    /// The process of the fetcher that runs; nil: it does not.
    package var process: Int32? { state.withLock { $0.socket >= 0 ? $0.process : nil } }

    public func fetch(_ request: DocumentRequest) async throws(DocumentFailure) -> [UInt8] {
        try places.enter(.here, isKnown: request.isKnown)
        defer { places.leave(.here, isKnown: request.isKnown) }
        let number = state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
        let limit = Task {
            try await Task.sleep(for: Self.patience)
            finish(number, .failure(.timeout))
        }
        defer { limit.cancel() }
        let answer = await withCheckedContinuation { continuation in
            let failure = state.withLock { ask(number, request, continuation, &$0) }
            if let failure { continuation.resume(returning: .failure(failure)) }
        }
        let body = try answer.get()
        // What comes out of there is not believed to keep its own bounds.
        guard body.count <= request.kind.limit else { throw .tooLarge }
        return body
    }

    private func ask(
        _ number: UInt64, _ request: DocumentRequest, _ continuation: CheckedContinuation<Answer, Never>,
        _ state: inout State
    ) -> DocumentFailure? {
        if state.socket < 0 { start(&state) }
        let question = FetcherMessage.question(number, request)
        guard state.socket >= 0, PacketSocket.put(question, state.socket, waits: false) else {
            return .unavailable
        }
        state.waiting[number] = continuation
        return nil
    }

    private func start(_ state: inout State) {
        guard !state.isClosed, state.startsAt <= .now else { return }
        var ends: [Int32] = [-1, -1]
        guard tv_socket_pair(&ends) == 0 else { return fail(&state) }
        let started = Started()
        // It lives as long as this thread: the kernel ends it with the one that started it.
        let thread = Thread { [self, ends] in
            var process: pid_t = 0
            let code = tv_start_self(FetcherChild.argument, ends[1], &process)
            started.tell(code == 0 ? process : nil)
            if code == 0 { read(ends[0], process) }
        }
        thread.name = "tokenvault.fetcher"
        thread.start()
        let process = started.wait()
        PacketSocket.drop(ends[1])
        guard let process else {
            PacketSocket.drop(ends[0])
            return fail(&state)
        }
        (state.socket, state.process) = (ends[0], process)
    }

    /// Hears its answers until it ends, then clears up after it.
    private func read(_ socket: Int32, _ process: pid_t) {
        let begin = ContinuousClock.now
        if let packet = PacketSocket.take(socket), let confinement = FetcherMessage.greeting(packet) {
            welcome(confinement)
            while let packet = PacketSocket.take(socket), let answer = FetcherMessage.answer(packet) {
                finish(answer.number, answer.result)
            }
        }
        kill(process, SIGKILL)
        while waitpid(process, nil, 0) < 0, errno == EINTR {}
        let (waiting, isClosed) = state.withLock { state in
            defer { state.waiting = [:] }
            PacketSocket.drop(state.socket)
            state.socket = -1
            if begin.duration(to: .now) > .seconds(Self.longestPause) { state.failures = 0 }
            fail(&state)
            return (state.waiting.values, state.isClosed)
        }
        for continuation in waiting { continuation.resume(returning: .failure(.unavailable)) }
        if !isClosed { logger.warning("The process that fetches clients' documents has ended.") }
    }

    private func welcome(_ confinement: Confinement) {
        let isFirst = state.withLock { state in
            defer { state.confinement = confinement }
            return state.confinement == nil
        }
        guard isFirst, confinement != .whole else { return }
        logger.warning(
            "The kernel does not confine the process that fetches clients' documents as far as it could.",
            metadata: [
                "landlock_files": "\(confinement.contains(.files))",
                "landlock_ports": "\(confinement.contains(.ports))",
                "seccomp": "\(confinement.contains(.calls))",
            ])
    }

    private func fail(_ state: inout State) {
        state.startsAt = .now + .seconds(min(Self.longestPause, Double(1 << min(state.failures, 6))))
        state.failures += 1
    }

    private func finish(_ number: UInt64, _ result: Answer) {
        let continuation = state.withLock { $0.waiting.removeValue(forKey: number) }
        continuation?.resume(returning: result)
    }
}

/// Hands over from a thread what came of starting a process.
private final class Started: @unchecked Sendable {
    // @unchecked: `outcome` is touched under the lock of `change`.
    private let change = NSCondition()
    private var outcome: pid_t??

    /// - Parameter process: nil: it did not start.
    func tell(_ process: pid_t?) {
        change.lock()
        defer { change.unlock() }
        outcome = .some(process)
        change.signal()
    }

    func wait() -> pid_t? {
        change.lock()
        defer { change.unlock() }
        while true {
            if let outcome { return outcome }
            change.wait()
        }
    }
}
