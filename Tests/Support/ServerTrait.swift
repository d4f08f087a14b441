import Foundation
package import Testing

extension Trait where Self == ConditionTrait {
    /// What is proved needs a PostgreSQL server beside a vault in a file: `make test-postgres` runs it.
    package static var withServer: Self {
        .enabled(
            if: ProcessInfo.processInfo.environment["TOKENVAULT_TEST_SERVER"] == "1", "make test-postgres")
    }
}
