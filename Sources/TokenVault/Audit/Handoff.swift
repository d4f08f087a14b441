import Foundation

/// A value that one thread waits for and another brings, once.
final class Handoff<Value: Sendable>: @unchecked Sendable {
    // @unchecked: `value` is touched under the condition's lock only.
    private let condition = NSCondition()
    private var value: Value?

    /// The first value counts.
    func put(_ new: Value) {
        condition.lock()
        if value == nil { value = new }
        condition.broadcast()
        condition.unlock()
    }

    /// Waits for it.
    func take() -> Value {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let value { return value }
            condition.wait()
        }
    }
}
