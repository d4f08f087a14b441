import Synchronization
import TokenIssuer

/// Counts what goes on at once, for strangers and for known clients apart: neither waits, nor takes the other's place.
final class Places<Key: Hashable & Sendable>: Sendable {
    private struct Place: Hashable {
        let key: Key
        let isKnown: Bool
    }

    private let limit: Int
    private let taken = Mutex<[Place: Int]>([:])

    /// - Parameter limit: of each of the two.
    init(_ limit: Int) { self.limit = limit }

    /// - Throws: ``DocumentFailure/busy`` where all are taken.
    func enter(_ key: Key, isKnown: Bool) throws(DocumentFailure) {
        let isFree = taken.withLock { taken in
            let place = Place(key: key, isKnown: isKnown)
            guard taken[place, default: 0] < limit else { return false }
            taken[place, default: 0] += 1
            return true
        }
        if !isFree { throw .busy }
    }

    func leave(_ key: Key, isKnown: Bool) {
        taken.withLock { taken in
            let place = Place(key: key, isKnown: isKnown)
            taken[place, default: 1] -= 1
            if taken[place] == 0 { taken[place] = nil }
        }
    }
}

/// The one place of a whole fetcher.
enum Everywhere { case here }
