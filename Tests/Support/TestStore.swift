import Foundation
package import Testing

/// Which store the tests run on that are not about files: every store has to pass them.
package enum TestStore {
    private static let name = ProcessInfo.processInfo.environment["TOKENVAULT_TEST_STORE"]
    package static let isMemory = name == "memory"
    package static let isPostgres = name == "postgres"
    package static let isFile = !isMemory && !isPostgres
}

extension Trait where Self == ConditionTrait {
    /// What is proved is about a vault's files, or about several processes.
    package static var ofFiles: Self { .disabled(if: !TestStore.isFile, "about files") }
}
