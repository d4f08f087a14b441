import Foundation
import VaultCore

/// A few threads for reads that wait for a network, so that no thread that tasks share waits with them.
///
/// A read that finds all of them busy waits in the queue; one that finds the queue full is refused.
package final class ReadingThreads: @unchecked Sendable {
    // @unchecked: the variables are touched under `condition` only.
    private let condition = NSCondition()
    /// Nil: taken already.
    private var waiting: [(until: ContinuousClock.Instant, run: Work)?] = []
    /// How many of `waiting` were taken already: they are removed many at once.
    private var taken = 0
    /// In their order, each with a work of its own in `waiting` that takes the first of them.
    private var lookups: [Lookup] = []
    private var isClosed = false

    /// Is told whether it waited too long.
    private typealias Work = @Sendable (_ isLate: Bool) -> Void

    private static let count = 4
    private static let capacity = 4096
    private static let mostTaken = 1024
    private static let patience = Duration.seconds(10)
    /// All threads share what 64 callers ask: where one answer needs further questions, those behind it wait.
    private static let askedTogether = 16

    package init() {
        for _ in 0..<Self.count {
            let thread = Thread(block: work)
            thread.name = "tokenvault.reader"
            thread.stackSize = 4 << 20
            thread.start()
        }
    }

    /// Runs `body` on one of the threads. The caller does nothing until it is done, so that what `body` uses is never used by
    /// both at once.
    ///
    /// - Throws: what `body` throws; ``VaultError/Code/busy``, ``VaultError/Code/unavailable`` after ``close()``.
    package func run<Result>(_ body: @escaping () throws -> Result) async throws -> Result {
        let body = Crossing(body)
        let result = await withCheckedContinuation { continuation in
            let refusal = enqueue { isLate in
                let result = Swift.Result {
                    if isLate { throw Self.busy }
                    return try body.value()
                }
                continuation.resume(returning: Crossing(result))
            }
            if let refusal { continuation.resume(returning: Crossing(.failure(refusal))) }
        }
        return try result.value.get()
    }

    /// Asks for the row that a question finds, in one turn with others that are looked up at the same time.
    ///
    /// - Parameter body: asks further of the same moment as the question; may run twice.
    /// - Returns: nil where there is no row.
    /// - Throws: as ``run(_:)``.
    package func lookUp<Result>(
        _ question: StoreQuestion, in reader: any StoreReader,
        _ body: @escaping (Database, RowCursor) throws -> Result
    ) async throws -> Result? {
        let body = Crossing(body)
        let result: Crossing<Swift.Result<Result?, any Error>> = await withCheckedContinuation {
            continuation in
            let found = Found<Result>()
            let lookup = Lookup(
                question: question, take: { found.value = try body.value($0, $1) },
                end: { error in
                    continuation.resume(
                        returning: Crossing(error.map { .failure($0) } ?? .success(found.value)))
                })
            let refusal = enqueue(lookup) { [self] isLate in askTogether(in: reader, isLate: isLate) }
            if let refusal { lookup.end(refusal) }
        }
        return try result.value.get()
    }

    private func askTogether(in reader: any StoreReader, isLate: Bool) {
        let taken = condition.withLock {
            defer { lookups.removeFirst(min(lookups.count, Self.askedTogether)) }
            return Array(lookups.prefix(Self.askedTogether))
        }
        if isLate { taken.forEach { $0.end(Self.busy) } } else { ask(taken, in: reader) }
    }

    private func ask(_ lookups: [Lookup], in reader: any StoreReader) {
        guard !lookups.isEmpty else { return }
        var again: Set<Int> = []
        do {
            try reader.withSnapshot { database in
                try database.ask(lookups.map(\.question)) { place, row in
                    do { try lookups[place].take(database, row) } catch {
                        // Asked alone it fails as a read of its own does, and takes no other along.
                        guard lookups.count > 1 else { throw error }
                        again.insert(place)
                    }
                }
            }
        } catch { return lookups.forEach { $0.end(error) } }
        for (place, lookup) in lookups.enumerated() where !again.contains(place) { lookup.end(nil) }
        for place in again { ask([lookups[place]], in: reader) }
    }

    /// The threads end when they have done what waits.
    package func close() {
        condition.withLock {
            isClosed = true
            condition.broadcast()
        }
    }

    private static let busy = VaultError(
        .busy, "Too many reads are waiting for the database server.", remedy: "Try again in a moment.")

    private func enqueue(_ lookup: Lookup? = nil, _ work: @escaping Work) -> VaultError? {
        condition.withLock {
            guard !isClosed else { return VaultError(.unavailable, "The vault is closed.") }
            guard waiting.count - taken < Self.capacity else { return Self.busy }
            waiting.append((.now + Self.patience, work))
            if let lookup { lookups.append(lookup) }
            condition.signal()
            return nil
        }
    }

    private func work() {
        while let next = take() { next.run(ContinuousClock.now > next.until) }
    }

    private func take() -> (until: ContinuousClock.Instant, run: Work)? {
        condition.withLock {
            while taken == waiting.count {
                if isClosed { return nil }
                condition.wait()
            }
            // What it holds, tokens among it, stays no longer than it runs.
            let next = waiting[taken].take()
            taken += 1
            if taken == waiting.count || taken >= Self.mostTaken {
                waiting.removeFirst(taken)
                taken = 0
            }
            return next
        }
    }
}

/// A question that waits to be asked with others.
private struct Lookup: Sendable {
    let question: StoreQuestion
    /// Called on the thread that asks.
    let take: @Sendable (Database, RowCursor) throws -> Void
    /// Tells the caller, once.
    let end: @Sendable ((any Error)?) -> Void
}

/// What was made of the row; nil: there was none.
private final class Found<Value>: @unchecked Sendable {
    // @unchecked: the thread that asks writes it, before it tells the caller.
    var value: Value?
}

/// A value that goes to another thread and comes back, never on two at once.
private struct Crossing<Value>: @unchecked Sendable {
    // @unchecked: see ``ReadingThreads/run(_:)``.
    let value: Value

    init(_ value: Value) { self.value = value }
}
