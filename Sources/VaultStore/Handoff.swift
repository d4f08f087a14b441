import Foundation

/// A value that one thread waits for and another brings, once.
package final class Handoff<Value: Sendable>: @unchecked Sendable {
    // @unchecked: `value` is touched under the condition's lock only.
    private let condition = NSCondition()
    private var value: Value?

    package init() {}

    /// The first value counts.
    package func put(_ new: Value) {
        condition.lock()
        if value == nil { value = new }
        condition.broadcast()
        condition.unlock()
    }

    /// Waits for it.
    package func take() -> Value {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let value { return value }
            condition.wait()
        }
    }
}
