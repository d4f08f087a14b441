/// A JWK Set as it is registered (RFC 7517 section 5): what its text must be before anyone makes keys of it.
package enum KeySetText {
    /// More than any client rotates through; each is looked at when one has to be found.
    static let keys = 32

    /// Members that belong to private or shared keys (RFC 7518 section 6); `priv` is that of key types since.
    private static let privateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"]

    /// The keys of the set, each an object and none private.
    ///
    /// - Parameter limit: longest text, in bytes.
    /// - Throws: ``VaultError/Code/invalidInput`` with the key, by its place, and what is wrong with it.
    package static func read(
        _ text: String, limit: Int = Limits.keySetBytes
    ) throws(VaultError) -> [JSONValue] {
        guard text.utf8.count <= limit else {
            throw invalid("A JWK Set has at most \(limit) bytes.")
        }
        guard let set = JSONReader.read(Array(text.utf8), isStrict: true), let keys = set["keys"]?.array
        else {
            throw invalid(
                "A JWK Set is a JSON object with an array 'keys', and no member of it comes twice.")
        }
        guard (1...Self.keys).contains(keys.count) else {
            throw invalid("A JWK Set has 1 to \(Self.keys) keys.")
        }
        for (index, jwk) in keys.enumerated() {
            let place = index + 1
            guard jwk.isObject else { throw invalid("Key \(place) of the JWK Set is not an object.") }
            if let name = privateMembers.first(where: { jwk[$0] != nil }) {
                throw invalid(
                    "Key \(place) of the JWK Set has the member '\(name)', which belongs to a private or shared key."
                )
            }
        }
        return keys
    }

    /// - Parameter message: repeats nothing of a key but the names of its members.
    package static func invalid(_ message: String) -> VaultError {
        VaultError(
            .invalidInput, message, remedy: "Register the public halves of RSA, P-256, P-384 or Ed25519 keys."
        )
    }
}
