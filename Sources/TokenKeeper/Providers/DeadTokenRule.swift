import VaultCore

extension Provider {
    /// How a provider says that a refresh token is dead, where it does not say `invalid_grant`: an answer to a refresh that
    /// has everything which is named here.
    public struct DeadTokenRule: Sendable, Equatable {
        /// Of HTTP; nil: any.
        public var status: Int?
        /// The provider's own error code, whatever its case; nil: any, or none.
        public var code: String?
        /// Words that its description has, whatever their case; `*` stands for anything in between.
        public var description: String?

        public init(status: Int? = nil, code: String? = nil, description: String? = nil) {
            self.status = status
            self.code = code
            self.description = description
        }
    }
}

extension Provider.DeadTokenRule {
    /// What is looked at of a description.
    private static let readableBytes = 4096

    func matches(status: Int, code: String?, description: String?) -> Bool {
        if let expected = self.status, expected != status { return false }
        if let expected = self.code, expected.lowercased() != code?.lowercased() { return false }
        guard let pattern = self.description else { return true }
        guard let description else { return false }
        return Self.has(Array(description.lowercased().utf8.prefix(Self.readableBytes)), pattern)
    }

    /// Finds each piece after the one before it, the first time it comes: no pattern makes this go back.
    private static func has(_ text: [UInt8], _ pattern: String) -> Bool {
        var rest = text[...]
        for piece in pattern.lowercased().utf8.split(separator: UInt8(ascii: "*")) {
            guard let found = rest.firstRange(of: Array(piece)) else { return false }
            rest = rest[found.upperBound...]
        }
        return true
    }
}

extension ProviderReader {
    static func deadTokens(_ node: EntryNode) throws(VaultError) -> [Provider.DeadTokenRule] {
        let elements = try node.elements()
        guard (1...16).contains(elements.count) else { throw node.fault("must have 1 to 16 rules") }
        var rules: [Provider.DeadTokenRule] = []
        for element in elements { rules.append(try deadToken(element)) }
        return rules
    }

    private static func deadToken(_ node: EntryNode) throws(VaultError) -> Provider.DeadTokenRule {
        var fields = try EntryFields(node)
        var rule = Provider.DeadTokenRule()
        rule.status = try fields.take("status")?.integer(in: 200...599)
        rule.code = try fields.take("code")?.matching({ $0.utf8.count <= 128 }, "must have at most 128 bytes")
        rule.description = try fields.take("description")?.matching(
            isPattern, "must have 4 to 128 bytes beside each *, of which there may be 8")
        try fields.finish()
        guard rule.code != nil || rule.description != nil else {
            throw node.fault("needs a code or a description: a status alone says too little")
        }
        return rule
    }

    /// Not so short that it says nothing.
    private static func isPattern(_ text: String) -> Bool {
        let pieces = text.utf8.split(separator: UInt8(ascii: "*"))
        return (1...9).contains(pieces.count) && pieces.allSatisfy { (4...128).contains($0.count) }
    }
}
