import TokenIssuer
public import VaultCore

/// The public keys a client has registered (RFC 7517 section 5), read strictly.
public struct ClientKeySet: Sendable {
    /// More than any client rotates through; each is looked at when one has to be found.
    static let keys = 32
    /// Members that belong to private or shared keys (RFC 7518 section 6).
    private static let privateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]

    private let members: [Member]

    /// Checks the text of a JWK Set that is about to be registered for `private_key_jwt`.
    ///
    /// Every key must be public and of a kind that assertions are verified with (RSA of at least 2048 bits, P-256,
    /// Ed25519), key identifiers must differ, and one key at least must be for signatures.
    ///
    /// - Throws: ``/VaultCore/VaultError/Code/invalidInput`` with the key, by its place, and what is wrong with it.
    public static func check(_ text: String) throws(VaultError) {
        _ = try ClientKeySet(text)
    }

    init(_ text: String) throws(VaultError) {
        guard text.utf8.count <= Limits.keySetBytes else {
            throw Self.invalid("A JWK Set has at most \(Limits.keySetBytes) bytes.")
        }
        guard let set = try? JSONReader.read(Array(text.utf8)), let keys = set["keys"]?.array else {
            throw Self.invalid(
                "A JWK Set is a JSON object with an array 'keys', and no member of it comes twice.")
        }
        guard (1...Self.keys).contains(keys.count) else {
            throw Self.invalid("A JWK Set has 1 to \(Self.keys) keys.")
        }
        var members: [Member] = []
        for (place, jwk) in keys.enumerated() {
            do throws(VerificationKey.Unfit) {
                let member = try Member(jwk)
                if let kid = member.kid, members.contains(where: { $0.kid?.hasSameOctets(as: kid) == true }) {
                    throw VerificationKey.Unfit(reason: "its kid is that of another key")
                }
                members.append(member)
            } catch {
                throw Self.invalid("Key \(place + 1) of the JWK Set will not do: \(error.reason).")
            }
        }
        guard members.contains(where: \.isForSignatures) else {
            throw Self.invalid("No key of the JWK Set is for signatures.")
        }
        self.members = members
    }

    /// The key that an assertion names, or the only one that it can mean.
    func key(
        named kid: String?, for algorithm: AssertionAlgorithm
    ) throws(ClientAssertionRefusal) -> VerificationKey {
        guard let kid else {
            let fitting = members.filter { $0.isFor(algorithm) }
            guard let only = fitting.first, fitting.count == 1 else { throw .unknownKey }
            return only.key
        }
        guard let member = members.first(where: { $0.kid?.hasSameOctets(as: kid) == true }) else {
            throw .unknownKey
        }
        guard member.isFor(algorithm) else { throw .algorithm }
        return member.key
    }

    private static func invalid(_ message: String) -> VaultError {
        VaultError(
            .invalidInput, message, remedy: "Register the public halves of RSA, P-256 or Ed25519 keys.")
    }

    /// One key, with what its owner says it is for.
    private struct Member: Sendable {
        let kid: String?
        let key: VerificationKey
        let isForSignatures: Bool
        private let algorithm: String?

        init(_ jwk: StrictJSON) throws(VerificationKey.Unfit) {
            guard jwk.isObject else { throw VerificationKey.Unfit(reason: "it is not an object") }
            for name in ClientKeySet.privateMembers where jwk[name] != nil {
                throw VerificationKey.Unfit(
                    reason: "it has the member '\(name)', which belongs to a private or shared key")
            }
            kid = try Self.text("kid", of: jwk)
            if let kid, !(1...256).contains(kid.utf8.count) {
                throw VerificationKey.Unfit(reason: "its kid does not have 1 to 256 bytes")
            }
            algorithm = try Self.text("alg", of: jwk)
            let use = try Self.text("use", of: jwk)
            let operations = jwk["key_ops"]?.array?.map(\.string)
            guard jwk["key_ops"] == nil || operations != nil else {
                throw VerificationKey.Unfit(reason: "its key_ops is not an array")
            }
            isForSignatures = use ?? "sig" == "sig" && operations?.contains("verify") ?? true
            key = try VerificationKey(jwk)
        }

        func isFor(_ wanted: AssertionAlgorithm) -> Bool {
            isForSignatures && key.fits(wanted) && algorithm ?? wanted.rawValue == wanted.rawValue
        }

        private static func text(_ name: String, of jwk: StrictJSON) throws(VerificationKey.Unfit) -> String?
        {
            guard let value = jwk[name] else { return nil }
            guard let text = value.string else {
                throw VerificationKey.Unfit(reason: "its member '\(name)' is not a string")
            }
            return text
        }
    }
}
