import TokenVault
import VaultCore

/// What the browser brought back from a provider (RFC 6749 section 4.1.2, RFC 9207).
public struct ConsentCallback: Sendable {
    let state: SecretBytes?
    let code: SecretBytes?
    let error: String?
    let errorDescription: String?
    let issuer: String?
    /// The other parameters, for entries that want some kept (`realmId`).
    let others: [String: String]

    /// Reads the query of the redirect, without `?`. Nil: over 16 KiB, more than 64 parameters, broken
    /// escapes, or one of the standard's parameters twice.
    public init?(query: String) {
        guard query.utf8.count <= 16 * 1024 else { return nil }
        var values: [String: String] = [:]
        guard let pairs = FormCoding.pairs(query.utf8), pairs.count <= 64 else { return nil }
        for (name, value) in pairs {
            guard values.updateValue(value, forKey: name) == nil else { return nil }
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
        others = values
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

    /// The provider's words where it sends the browser back with an error: code and description, bounded,
    /// with what is secret or looks like it taken out. Nil: there is no error. Any page can send a browser
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
