import VaultCore
import VaultCrypto

extension ConsentCallback {
    /// RFC 9207 section 2.4: the issuer is compared where the callback names one, and a callback without one is refused
    /// where the provider is known to name it always.
    func check(isFrom provider: Provider) throws(KeeperError) {
        guard let expected = provider.endpoints.issuer else { return }
        let why: String
        switch issuer {
        case expected?: return
        case let other?:
            let named = Diagnostic(masking: []).place(other) ?? "that is not a URL"
            why = "The callback names the issuer \(named), not \(expected)."
        case nil where provider.endpoints.namesIssuerInCallbacks == true:
            why = "The callback names no issuer, though the provider says that it always does (RFC 9207)."
        case nil: return
        }
        throw KeeperError(
            .wrongIssuer, "The answer did not come from where you were sent. Begin again.", diagnostic: why)
    }
}

extension BegunConsent {
    /// Whether a callback brings the `state` of this consent: whoever listens for one alone need not take every
    /// request to its door for the user's return.
    public func isAnswered(by callback: ConsentCallback) -> Bool {
        guard let other = callback.state else { return false }
        return state.withExposed { own in other.withExposed { ConstantTime.equal(own, $0) } }
    }
}
