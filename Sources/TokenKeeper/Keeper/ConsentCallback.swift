import JOSE
import TokenVault
import VaultCore
import VaultCrypto

/// The parameters with which the browser returns from a provider (RFC 6749 section 4.1.2, RFC 9207).
public struct ConsentCallback: Sendable {
    let state: SecretBytes?
    let code: SecretBytes?
    let error: String?
    let errorDescription: String?
    let issuer: String?
    /// The other parameters, for entries that want some kept (`realmId`).
    let others: [String: String]
    /// Parameters of the provider's own that came more than once: none of their values is taken.
    let repeated: Set<String>

    /// What decides about the consent, and so has to be there once at most (RFC 6749 section 3.1).
    private static let decisive: Set = [
        "state", "code", "iss", "error", "error_code", "error_description", "error_message", "error_reason",
        "scope", "scopes", "granted_scopes",
    ]

    /// Reads the query of the redirect, without `?`. Nil: over 16 KiB, more than 64 parameters, broken
    /// escapes, or a parameter twice that decides about the consent. What else a provider repeats is ignored.
    public init?(query: String) {
        guard query.utf8.count <= 16 * 1024 else { return nil }
        var values: [String: String] = [:]
        var repeated: Set<String> = []
        guard let pairs = FormCoding.pairs(query.utf8), pairs.count <= 64 else { return nil }
        for (name, value) in pairs {
            guard values.updateValue(value, forKey: name) != nil else { continue }
            guard !Self.decisive.contains(name) else { return nil }
            repeated.insert(name)
        }
        func take(_ name: String) -> String? {
            values.removeValue(forKey: name).flatMap { $0.isEmpty ? nil : $0 }
        }
        state = take("state").map { SecretBytes(copying: $0) }
        code = take("code").map { SecretBytes(copying: $0) }
        // Facebook has names of its own.
        error = take("error") ?? (code == nil ? take("error_code") : nil)
        errorDescription = take("error_description") ?? take("error_message") ?? take("error_reason")
        issuer = take("iss")
        others = values.filter { !repeated.contains($0.key) }
        self.repeated = repeated
    }

    /// What was granted, where the callback says so (Strava; TikTok and Facebook under names of their own): names with single
    /// spaces between them.
    func scope(separatedBy separator: String) -> String? {
        let told = ["scope", "scopes", "granted_scopes"].lazy.compactMap { others[$0] }.first { !$0.isEmpty }
        return ScopeText.read(told.map { .string(Array($0.utf8)) }, separator: separator)
    }

    /// A parameter that an entry wants kept: what a browser brings is bounded, and plain text.
    func kept(_ name: String) -> String? {
        guard let value = others[name], (1...NewTokens.metadataBytes).contains(value.utf8.count),
            value.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
        else { return nil }
        return value
    }

    /// The code and description of the error with which the provider sent the browser back, bounded,
    /// without anything that looks secret; nil if there is no error. Any page can send a browser
    /// here, so a callback without this consent's `state` proves nothing about the provider.
    public var errorWords: String? { errorWords(masking: [], showing: []) }

    /// - Parameter known: what was asked for in the clear, such as scopes, and so may be shown though it looks like a token.
    func errorWords(masking secrets: [SecretBytes], showing known: [String]) -> String? {
        guard let error else { return nil }
        let words = Diagnostic(masking: secrets + [state, code].compactMap { $0 }, showing: known)
        let parts = [words.scrubbed(error), words.scrubbed(errorDescription)].filter { !$0.isEmpty }
        return parts.isEmpty
            ? "an error without readable words" : Diagnostic.bounded(parts.joined(separator: ": "))
    }
}

extension ConsentCallback {
    /// RFC 9207 section 2.4: the issuer is compared where the callback names one, and a callback without one is refused
    /// where the provider is known to name it always.
    ///
    /// A parameter that the entry wants kept counts as one that is decided on: two of it are refused too.
    func check(isFrom provider: Provider) throws(KeeperError) {
        guard repeated.isDisjoint(with: provider.requests.keptCallbackParameters) else {
            throw KeeperError.unknown
        }
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
            .wrongIssuer, "The answer came from another server than you were sent to. Begin again.",
            diagnostic: why)
    }
}

extension BegunConsent {
    /// Whether a callback has the `state` of this consent: a listener for one consent need not take every
    /// request to its door for the user's return.
    public func isAnswered(by callback: ConsentCallback) -> Bool {
        guard let other = callback.state else { return false }
        return state.withExposed { own in other.withExposed { ConstantTime.equal(own, $0) } }
    }
}

/// Whether an id_token may answer the consent that was begun (OpenID Connect Core section 3.1.3.7, rule 11).
/// The id_token came straight from the token endpoint over TLS, which rule 6 lets stand for its signature;
/// but for its subject nothing else of it is believed.
enum IDToken {
    /// Whether the id_token shows that the code is of another consent.
    ///
    /// - Parameters:
    ///   - nonce: Nil: none was sent, so nothing is claimed; likewise where no id_token came.
    ///   - isCodeBound: PKCE binds the code to who began the consent (RFC 7636). Then an id_token without a nonce, which
    ///     some providers never put in, shows nothing; otherwise the nonce is all there is against a code of another
    ///     user (RFC 9700 section 2.1.1), and has to be there.
    static func contradicts(_ nonce: String?, _ idToken: SecretBytes?, isCodeBound: Bool) -> Bool {
        guard let nonce, let idToken else { return false }
        switch claim("nonce", in: idToken) {
        case nil: return !isCodeBound
        case .string(let found)?: return !ConstantTime.equal(found, Array(nonce.utf8))
        // Two of them, or something that was never sent.
        default: return true
        }
    }

    /// Nil also where the id_token is not one that can be read, such as an encrypted one.
    static func claim(_ name: String, in idToken: SecretBytes) -> JSONValue? {
        CompactJWS.unverifiedClaims(of: idToken)?.value(at: name)
    }
}
