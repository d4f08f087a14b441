import Foundation

/// The waits that tests may have: time that passes on purpose, and looking again until something is so.
package enum Waiting {
    /// Lets time pass, because a random or a stated moment is what the test is about.
    package static func pass(_ duration: Duration) async throws { try await Task.sleep(for: duration) }

    /// Looks every `interval` until `condition` holds.
    ///
    /// - Returns: whether it came to hold within `limit`.
    package static func until(
        within limit: Duration = .seconds(60), every interval: Duration = .milliseconds(20),
        _ condition: () async throws -> Bool
    ) async throws -> Bool {
        let end = ContinuousClock.now + limit
        while try await !condition() {
            guard ContinuousClock.now < end else { return false }
            try await Task.sleep(for: interval)
        }
        return true
    }
}
