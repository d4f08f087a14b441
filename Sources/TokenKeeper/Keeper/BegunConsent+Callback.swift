import VaultCore
import VaultCrypto

extension BegunConsent {
    /// Whether a callback brings the `state` of this consent: whoever listens for one alone need not take every
    /// request to its door for the user's return.
    public func isAnswered(by callback: ConsentCallback) -> Bool {
        guard let other = callback.state else { return false }
        return state.withExposed { own in other.withExposed { ConstantTime.equal(own, $0) } }
    }
}
