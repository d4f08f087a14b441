/// Encoded as a whole number of milliseconds since 1970, or as the text that the encoder's user info makes of it.
extension VaultInstant: Codable {
    public init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        self.init(millisecondsSince1970: try value.decode(Int64.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        if let text = encoder.userInfo[.instantText] as? @Sendable (VaultInstant) -> String {
            try value.encode(text(self))
        } else {
            try value.encode(millisecondsSince1970)
        }
    }
}

extension CodingUserInfoKey {
    /// How an encoder for people writes times: `@Sendable (VaultInstant) -> String`.
    package static let instantText: CodingUserInfoKey = {
        guard let key = CodingUserInfoKey(rawValue: "tokenvault.instant") else {
            preconditionFailure("a key")
        }
        return key
    }()
}
