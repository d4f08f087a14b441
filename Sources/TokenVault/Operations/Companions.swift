import Synchronization

/// What modules above keep in memory about an open vault, one object of each type.
final class Companions: Sendable {
    private let all = Mutex<[ObjectIdentifier: any AnyObject & Sendable]>([:])

    func one<Companion: AnyObject & Sendable>(_ make: () -> Companion) -> Companion {
        all.withLock { all in
            let key = ObjectIdentifier(Companion.self)
            if let known = all[key] as? Companion { return known }
            let new = make()
            all[key] = new
            return new
        }
    }
}

extension Vault {
    /// The vault's object of this type, made at the first use.
    package func companion<Companion: AnyObject & Sendable>(_ make: @autoclosure () -> Companion) -> Companion
    {
        companions.one(make)
    }
}
