/// The value of `scope`: a set of case-sensitive names (RFC 6749 section 3.3), kept in the order given.
public struct ScopeSet: Sendable, Hashable {
    public static let empty = ScopeSet()
    public let names: [String]
    /// The wire form: names joined by single spaces.
    public let text: String

    private init(names: [String] = [], text: String = "") {
        self.names = names
        self.text = text
    }

    /// Parses space-separated names; one that repeats counts once, where it stands first. Nil when a
    /// character is outside the RFC's set, when spaces lead, trail or double, or when there is more than
    /// ``Limits/scopeBytes`` of it.
    public init?(parsing text: String) {
        guard !text.isEmpty else {
            self = .empty
            return
        }
        guard text.utf8.count <= Limits.scopeBytes else { return nil }
        // Most scopes are one name, which needs no splitting.
        let parts =
            text.utf8.contains(UInt8(ascii: " "))
            ? text.split(separator: " ", omittingEmptySubsequences: false).map(String.init) : [text]
        // RFC 6749 section 3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
        let legal = parts.allSatisfy { name in
            !name.isEmpty && name.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C }
        }
        guard legal else { return nil }
        // RFC 6749 section 3.3: "each string adds an additional access range to the requested scope", so a repeated
        // one adds nothing.
        var seen: Set<String> = []
        let names = parts.count == 1 ? parts : parts.filter { seen.insert($0).inserted }
        self.init(names: names, text: names.count == parts.count ? text : names.joined(separator: " "))
    }

    /// Parses what people write: any white space separates names, and there may be more of it.
    package init?(tidying text: String) {
        self.init(parsing: text.split(whereSeparator: \.isWhitespace).joined(separator: " "))
    }

    /// Reads what ``text`` wrote, and no other spelling of it.
    package init?(stored text: String) {
        self.init(parsing: text)
        guard self.text == text else { return nil }
    }

    public var isEmpty: Bool { names.isEmpty }

    public func isSubset(of other: ScopeSet) -> Bool {
        names.allSatisfy(other.names.contains)
    }

    /// The names that are in both, in our order.
    package func intersection(_ other: ScopeSet) -> ScopeSet {
        isSubset(of: other)
            ? self : ScopeSet(parsing: names.filter(other.names.contains).joined(separator: " ")) ?? .empty
    }

    /// The names of both, ours first; just `other` where together they would be too long.
    package func union(_ other: ScopeSet) -> ScopeSet {
        let further = other.names.filter { !names.contains($0) }
        return ScopeSet(parsing: (names + further).joined(separator: " ")) ?? other
    }

    /// Sets are equal whatever the order of their names.
    public static func == (left: ScopeSet, right: ScopeSet) -> Bool {
        left.names.count == right.names.count && left.isSubset(of: right)
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(names.sorted())
    }
}
