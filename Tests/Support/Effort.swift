import Foundation

/// How much the long tests do: a part of their work in every run, all of it in `make nightly`.
package enum Effort {
    package static let isNightly = ProcessInfo.processInfo.environment["TOKENVAULT_NIGHTLY"] == "1"

    /// The number of rounds, kills, flips or histories: a few in every run, many at night.
    package static func rounds(_ ordinary: Int, nightly: Int) -> Int { isNightly ? nightly : ordinary }
}
