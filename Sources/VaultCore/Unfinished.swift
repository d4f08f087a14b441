import Foundation
import Synchronization

/// Something that must not outlive this process when a signal ends it: a file half written, a terminal without echo.
///
/// A library only keeps the list. A program that wants it undone calls ``undoAll(before:)`` when it is told to end.
package final class Unfinished: Sendable {
    /// - Parameters:
    ///   - make: makes the thing. A signal that comes meanwhile waits until it is on the list.
    ///   - undo: takes away what `make` returned. Called on another thread, while work goes on, so it only looks and
    ///     removes; it registers nothing.
    package init<Made: Sendable, Failure: Error>(
        _ make: () throws(Failure) -> Made, undo: @escaping @Sendable (Made) -> Void
    ) throws(Failure) {
        Self.gate.lock()
        defer { Self.gate.unlock() }
        let made = try make()
        Self.list.withLock { $0[ObjectIdentifier(self)] = { undo(made) } }
    }

    deinit { finish() }

    /// It is whole, or gone: nothing is left to be undone.
    package func finish() {
        Self.whole { Self.list.withLock { $0[ObjectIdentifier(self)] = nil } }
    }

    /// Runs steps that a signal must not part: it waits until they are done.
    package static func whole<Result, Failure: Error>(
        _ steps: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        gate.lock()
        defer { gate.unlock() }
        return try steps()
    }

    /// Undoes everything on the list, and ends the process: nothing is begun any more meanwhile.
    package static func undoAll(before end: () -> Never) -> Never {
        gate.lock()
        for undo in list.withLock({ $0.values }) { undo() }
        end()
    }

    /// Recursive: what is made within steps that belong together is put on the list too.
    private static let gate = NSRecursiveLock()
    private static let list = Mutex<[ObjectIdentifier: @Sendable () -> Void]>([:])
}
