import Synchronization
import VaultCore

/// Documents of one kind as they were read last, in bounded memory: asked for by many at once, each is fetched once.
///
/// One that was read serves for ten minutes, then it is read again. If that fails, the old one serves on until it is a day
/// old, and the next attempt is a minute away; so is one at a document that was never read. Documents of known clients have a
/// part of their own, from which strangers push none out.
final class RecentDocuments<Value: Sendable>: Sendable {
    typealias Outcome = Result<Value, DocumentProblem>

    fileprivate struct Entry {
        var value: Value?
        var readAt = Duration.zero
        var problem: DocumentProblem?
        var triedAt = Duration.zero
        var usedAt = Duration.zero
        /// Once it was of a known client.
        var isKnown = false
    }

    fileprivate struct State {
        var entries: [DocumentRequest: Entry] = [:]
        var running: [DocumentRequest: Task<Outcome, Never>] = [:]
    }

    private enum Course {
        case known(Outcome)
        case wait(Task<Outcome, Never>)
    }

    private let capacity: Int
    private let fetcher: any DocumentFetching
    private let clock: any VaultClock
    private let report: @Sendable (DocumentRequest, DocumentProblem) -> Void
    private let parse: @Sendable ([UInt8], DocumentRequest) throws(DocumentProblem) -> Value
    private let state = Mutex(State())

    /// - Parameters:
    ///   - capacity: of each of the two parts; documents that could not be read count too.
    ///   - report: told of each attempt that failed for a reason of the document's.
    init(
        capacity: Int, _ fetcher: any DocumentFetching, _ clock: any VaultClock,
        report: @escaping @Sendable (DocumentRequest, DocumentProblem) -> Void = { _, _ in },
        parse: @escaping @Sendable ([UInt8], DocumentRequest) throws(DocumentProblem) -> Value
    ) {
        self.capacity = capacity
        self.fetcher = fetcher
        self.clock = clock
        self.report = report
        self.parse = parse
    }

    /// - Parameter isStale: the one that is known does not have what is looked for; it is read again unless it was within a
    ///   minute.
    func value(of request: DocumentRequest, isStale: Bool = false) async -> Outcome {
        let course = state.withLock { state -> Course in
            let now = clock.monotonic()
            state.entries[request.key]?.usedAt = now
            if request.isKnown { state.entries[request.key]?.isKnown = true }
            if let known = state.entries[request.key]?.outcome(now, isStale: isStale) { return .known(known) }
            if let running = state.running[request] { return .wait(running) }
            let task = Task { await fetch(request) }
            state.running[request] = task
            return .wait(task)
        }
        return switch course {
        case .known(let outcome): outcome
        case .wait(let task): await task.value
        }
    }

    private func fetch(_ request: DocumentRequest) async -> Outcome {
        let outcome: Outcome
        do throws(DocumentFailure) {
            let body = try await fetcher.fetch(request)
            outcome = Result { () throws(DocumentProblem) in try parse(body, request) }
        } catch { outcome = .failure(.notFetched(error)) }
        // What passes is not remembered, and so would be told with every request.
        if case .failure(let problem) = outcome, !problem.isPassing { report(request, problem) }
        return state.withLock { state in
            state.running[request] = nil
            return state.note(outcome, of: request, clock.monotonic(), capacity)
        }
    }
}

extension DocumentRequest {
    /// What was read is the same for a stranger and a known client.
    fileprivate var key: DocumentRequest {
        DocumentRequest(url, kind, mayBeInside: mayBeInside)
    }
}

extension RecentDocuments.Entry {
    private static var life: Duration { .seconds(600) }
    private static var longestLife: Duration { .seconds(86400) }
    private static var pause: Duration { .seconds(60) }

    /// What may be answered without asking; nil: ask.
    fileprivate func outcome(_ now: Duration, isStale: Bool) -> RecentDocuments.Outcome? {
        if let value, problem == nil, now - readAt < (isStale ? Self.pause : Self.life) {
            return .success(value)
        }
        // That all places are taken, or the fetcher is not there, says nothing about the document.
        guard let problem, !problem.isPassing, now - triedAt < Self.pause else { return nil }
        return lastGood(now) ?? .failure(problem)
    }

    fileprivate func lastGood(_ now: Duration) -> RecentDocuments.Outcome? {
        value.flatMap { now - readAt < Self.longestLife ? .success($0) : nil }
    }
}

extension RecentDocuments.State {
    /// Remembers what came of an attempt, and says what to answer.
    fileprivate mutating func note(
        _ outcome: RecentDocuments.Outcome, of request: DocumentRequest, _ now: Duration, _ capacity: Int
    ) -> RecentDocuments.Outcome {
        var entry = entries.removeValue(forKey: request.key) ?? RecentDocuments.Entry()
        (entry.triedAt, entry.usedAt) = (now, now)
        entry.isKnown = entry.isKnown || request.isKnown
        switch outcome {
        case .success(let value): (entry.value, entry.readAt, entry.problem) = (value, now, nil)
        case .failure(let problem): entry.problem = problem
        }
        evict(isKnown: entry.isKnown, toBelow: capacity)
        entries[request.key] = entry
        return entry.problem == nil ? outcome : entry.lastGood(now) ?? outcome
    }

    /// What was never read goes first: a stranger makes such entries for nothing.
    private mutating func evict(isKnown: Bool, toBelow capacity: Int) {
        var part = entries.filter { $0.value.isKnown == isKnown }
        while part.count >= capacity {
            let last = part.min { one, other in
                (one.value.value == nil ? 0 : 1, one.value.usedAt)
                    < (other.value.value == nil ? 0 : 1, other.value.usedAt)
            }
            guard let last else { return }
            part[last.key] = nil
            entries[last.key] = nil
        }
    }
}

/// Why there is no document of a client.
package enum DocumentProblem: Error, Sendable, Equatable {
    case notFetched(DocumentFailure)
    /// What is wrong with it, without a word of it.
    case content(String)

    var isPassing: Bool { self == .notFetched(.busy) || self == .notFetched(.unavailable) }
}
