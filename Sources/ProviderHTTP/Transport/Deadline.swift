/// Ends work that takes too long, by cancelling it.
enum Deadline {
    struct Exceeded: Error {}

    /// Waits for a span of time; a test's ends when the test wants it to.
    typealias Sleep = @Sendable (Duration) async throws -> Void

    static let sleep: Sleep = { try await Task.sleep(for: $0, clock: .continuous) }

    /// The library's own deadline ends with the head of an answer; this one with the last octet.
    static func run<Result: Sendable>(
        within limit: Duration, _ sleep: @escaping Sleep = sleep,
        _ work: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await sleep(limit)
                throw Exceeded()
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw Exceeded() }
            return first
        }
    }
}
