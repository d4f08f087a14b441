import TokenIssuer
import VaultCore

/// Slows down whoever guesses passwords: by user name and address, and by address whatever the name.
struct SignInThrottle: Sendable {
    private let names: FailureThrottle
    private let addresses: FailureThrottle

    init(clock: any VaultClock) {
        names = FailureThrottle(clock: clock)
        var rules = FailureThrottle.Rules()
        // Many people may share an address, and all of them mistype; one password for many names is still slow work.
        rules.allowance = 100
        rules.longestWait = .seconds(30)
        addresses = FailureThrottle(rules, clock: clock)
    }

    /// Nil: may try now.
    func wait(for name: String, from address: String) -> Duration? {
        let waits = [names.wait(for: name, from: address), addresses.wait(for: "", from: address)]
        return waits.compactMap(\.self).max()
    }

    /// A check takes a fifth of a second: it counts as failed until it is not, or many would start meanwhile.
    func begin(_ name: String, from address: String) -> Attempt {
        names.failed(name, from: address)
        return Attempt(name: name, address: address, throttle: self)
    }

    struct Attempt {
        enum Outcome {
            case succeeded
            case failed
            /// Nothing was compared.
            case unjudged
        }

        fileprivate let name: String
        fileprivate let address: String
        fileprivate let throttle: SignInThrottle

        func end(_ outcome: Outcome) {
            switch outcome {
            case .succeeded: throttle.names.succeeded(name, from: address)
            // A success says nothing about the other names, so it forgives nothing here.
            case .failed: throttle.addresses.failed("", from: address)
            case .unjudged: break
            }
        }
    }
}
