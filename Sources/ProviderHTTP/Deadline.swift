/// Ends work that takes too long, by cancelling it.
enum Deadline {
    struct Exceeded: Error {}

    /// The library's own deadline ends with the head of an answer; this one with the last octet.
    static func run<Result: Sendable>(
        within limit: Duration, _ work: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await Task.sleep(for: limit, clock: .continuous)
                throw Exceeded()
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw Exceeded() }
            return first
        }
    }
}
