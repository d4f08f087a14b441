/// Encoded as a whole number of milliseconds since 1970.
extension VaultInstant: Codable {
    public init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        self.init(millisecondsSince1970: try value.decode(Int64.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(millisecondsSince1970)
    }
}
