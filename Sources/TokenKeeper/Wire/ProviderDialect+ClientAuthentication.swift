import VaultCore

extension ProviderDialect {
    /// Puts the client's identifier and secret where the entry says, in one place alone (RFC 6749 section 2.3).
    ///
    /// - Returns: the value of `Authorization`; nil: it is in the parameters.
    func authenticate(_ parameters: inout RequestParameters) -> SecretBytes? {
        guard provider.client != .none, let secret = credentials.clientSecret else {
            parameters.add("client_id", credentials.clientID)
            return nil
        }
        if let basic = basicCredentials {
            return SecretBytes(Array("Basic ".utf8) + Array(Base64.encode(basic).utf8))
        }
        parameters.add("client_id", credentials.clientID)
        parameters.add("client_secret", secret)
        return nil
    }

    /// What Basic is made of; nil where the secret does not travel that way.
    var basicCredentials: [UInt8]? {
        guard let secret = credentials.clientSecret else { return nil }
        let colon = UInt8(ascii: ":")
        let identifier = Array(credentials.clientID.utf8)
        return secret.withExposed { secret in
            switch provider.client {
            // Section 2.3.1: each "is encoded using the application/x-www-form-urlencoded encoding algorithm".
            case .basic: FormCoding.encode(identifier) + [colon] + FormCoding.encode(secret)
            case .basicRaw: identifier + [colon] + secret
            case .basicSecretOnly: secret + [colon]
            case .post, .none: nil
            }
        }
    }
}
