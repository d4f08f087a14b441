import Synchronization
package import VaultCore

/// Slows down guesses at passwords: by user name and address, and by address whatever the name. Where an
/// address is shared by people who have nothing to do with each other, only the first counts: a stranger's
/// failures must not keep all users out. Every spelling of a name counts as that name.
package final class SignInThrottle: Sendable {
    private let names: FailureThrottle
    private let addresses: FailureThrottle
    private let crowds: Crowds

    package init(clock: any VaultClock, _ notice: SharedAddressNotice) {
        crowds = Crowds(notice)
        names = FailureThrottle(clock: clock)
        var rules = FailureThrottle.Rules()
        // Many people may share an address, and all of them mistype; one password for many names is still slow work.
        rules.allowance = 100
        rules.longestWait = .seconds(30)
        addresses = FailureThrottle(rules, clock: clock)
    }

    /// Nil: may try now.
    package func wait(for name: String, from peer: PeerAddress) -> Duration? {
        let address = peer.network ?? ""
        let ofName = names.wait(for: Self.folded(name), from: address)
        guard !peer.isShared, !crowds.contain(address) else { return ofName }
        return [ofName, addresses.wait(for: "", from: address)].compactMap(\.self).max()
    }

    /// A check takes a fifth of a second: it counts as failed until it is not, or many would start meanwhile.
    package func begin(_ name: String, from peer: PeerAddress) -> Attempt {
        names.failed(Self.folded(name), from: peer.network ?? "")
        return Attempt(name: Self.folded(name), peer: peer, throttle: self)
    }

    private static func folded(_ name: String) -> String {
        String(decoding: UserName.folded(name), as: UTF8.self)
    }

    package struct Attempt {
        package enum Outcome {
            case succeeded
            case failed
            /// Nothing was compared.
            case unjudged
        }

        fileprivate let name: String
        fileprivate let peer: PeerAddress
        fileprivate let throttle: SignInThrottle

        package func end(_ outcome: Outcome) {
            let address = peer.network ?? ""
            switch outcome {
            case .succeeded:
                throttle.names.succeeded(name, from: address)
                if peer.isPrivate { throttle.crowds.add(name, at: address) }
            // A success says nothing about the other names, so it forgives nothing here.
            case .failed: throttle.addresses.failed("", from: address)
            case .unjudged: break
            }
        }
    }
}

/// Private addresses from which many users signed in: those of a proxy, or of a container's network. Only who
/// has the passwords of as many users can make an address seem so.
private final class Crowds: Sendable {
    private static let users = 8
    /// Addresses that are remembered; beyond it all are forgotten, and found again.
    private static let capacity = 1000

    private let notice: SharedAddressNotice
    private let known = Mutex<[String: Set<String>]>([:])

    init(_ notice: SharedAddressNotice) { self.notice = notice }

    func add(_ user: String, at address: String) {
        let isCrowd = known.withLock { known in
            if known[address] == nil, known.count >= Self.capacity { known = [:] }
            if known[address, default: []].count < Self.users { known[address, default: []].insert(user) }
            return known[address]?.count == Self.users
        }
        if isCrowd { notice.give(.crowd) }
    }

    func contain(_ address: String) -> Bool { known.withLock { $0[address]?.count == Self.users } }
}
