public import VaultCore

/// A URL that requests and browsers may be sent to: https, or http to this machine; nothing hidden in it.
package enum EndpointURL {
    private static let longest = 2048

    /// Nil: it may be used; otherwise what is wrong with it, as the end of "the URL …".
    package static func fault(of url: String) -> String? {
        guard (1...longest).contains(url.utf8.count) else { return "is empty or too long" }
        guard url.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !#""<>\^`{|}"#.utf8.contains($0) }) else {
            return "has characters that no URL has"
        }
        guard !url.contains("#") else { return "has a fragment, which is never sent" }
        guard let (scheme, authority) = parts(of: url) else { return "is not https://host/path" }
        guard !authority.contains("@") else { return "has a user name or a password in it" }
        guard let host = host(of: authority) else { return "has no proper host" }
        switch scheme {
        case "https": return nil
        case "http" where Loopback.contains(host): return nil
        case "http": return "is http, which shows secrets to everybody on the way"
        default: return "is not https"
        }
    }

    private static func parts(of url: String) -> (scheme: String, authority: String)? {
        guard let colon = url.firstRange(of: "://") else { return nil }
        let rest = url[colon.upperBound...]
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        return (url[..<colon.lowerBound].lowercased(), String(rest[..<end]))
    }

    /// Without the port; nil where host or port is malformed.
    private static func host(of authority: String) -> String? {
        if authority.hasPrefix("[") {
            guard authority == "[::1]" || authority.hasPrefix("[::1]:"), isPort(authority.dropFirst(5)) else {
                return nil
            }
            return "[::1]"
        }
        let host = authority.prefix { $0 != ":" }
        guard isPort(authority.dropFirst(host.count)), isHostName(host) else { return nil }
        return host.lowercased()
    }

    /// Nothing, or a colon and 1 to 65535.
    private static func isPort(_ text: Substring) -> Bool {
        guard let first = text.first else { return true }
        let digits = text.dropFirst()
        return first == ":" && digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
            && UInt16(digits).map { $0 > 0 } == true
    }

    /// Labels of letters, digits, `-` and `_` with single dots between them.
    private static func isHostName(_ host: Substring) -> Bool {
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        return host.utf8.count <= 253
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                    && label.allSatisfy {
                        $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_")
                    }
            }
    }
}

/// A URL with `{variables}` in it, and what may stand for each by where it is.
struct EndpointTemplate {
    enum Piece: Equatable {
        case text(String)
        case variable(String)
    }

    /// What a value may be made of.
    enum Place {
        /// The variable is all there is: a whole URL.
        case url
        /// The variable is the whole host: a name with dots.
        case host
        /// Part of a host name: no dots, or a tenant could lead the request to a host of its own.
        case label
        /// A step of the path or the query.
        case path
    }

    private let pieces: [Piece]

    /// Nil where braces do not come in pairs around a name.
    init?(_ text: String) {
        var pieces: [Piece] = []
        var rest = text[...]
        for match in text.matches(of: /\{([a-z0-9_]{1,32})\}/) {
            let before = rest[..<match.range.lowerBound]
            if !before.isEmpty { pieces.append(.text(String(before))) }
            pieces.append(.variable(String(match.1)))
            rest = rest[match.range.upperBound...]
        }
        if !rest.isEmpty { pieces.append(.text(String(rest))) }
        for case .text(let text) in pieces where text.contains(where: { "{}".contains($0) }) { return nil }
        self.pieces = pieces
    }

    var variables: [String] {
        pieces.compactMap { piece in
            guard case .variable(let name) = piece else { return nil }
            return name
        }
    }

    /// With harmless values, to be looked at.
    var sample: String {
        zip(pieces, places).map { piece, place in
            switch (piece, place) {
            case (.text(let text), _): text
            case (.variable, .url): "https://example.com"
            case (.variable, .host): "example.com"
            case (.variable, .label), (.variable, .path): "x"
            }
        }.joined()
    }

    /// Nil where a value does not fit its place; the name of the variable is in `misfit` then.
    func filled(_ values: [String: String], misfit: inout String) -> String? {
        var url = ""
        for (piece, place) in zip(pieces, places) {
            switch piece {
            case .text(let text): url += text
            case .variable(let name):
                guard let value = values[name], Self.fits(value, place) else {
                    misfit = name
                    return nil
                }
                url += value
            }
        }
        return url
    }

    /// Of each piece; of texts it does not matter.
    private var places: [Place] {
        var before = ""
        return pieces.enumerated().map { index, piece in
            defer { before += piece.written }
            if pieces.count == 1 { return .url }
            let authority = before.firstRange(of: "://").map { before[$0.upperBound...] }
            guard let authority, !authority.contains("/"), !authority.contains("?") else { return .path }
            let next = index + 1 < pieces.count ? pieces[index + 1].written.first : nil
            return authority.isEmpty && (next == nil || next == "/" || next == "?") ? .host : .label
        }
    }

    private static func fits(_ value: String, _ place: Place) -> Bool {
        switch place {
        case .url: return EndpointURL.fault(of: value) == nil && !value.contains("?")
        case .host: return EndpointURL.fault(of: "https://\(value)/") == nil && isWord(value, ".-")
        case .label: return value.utf8.count <= 63 && isWord(value, "-")
        case .path: return value.utf8.count <= 128 && isWord(value, ".-_") && !value.contains("..")
        }
    }

    /// ASCII letters and digits, and in between some of `others`.
    private static func isWord(_ value: String, _ others: String) -> Bool {
        guard let first = value.utf8.first, let last = value.utf8.last else { return false }
        return isAlphanumeric(first) && isAlphanumeric(last)
            && value.utf8.allSatisfy { isAlphanumeric($0) || others.utf8.contains($0) }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        FormCoding.isUnreserved(byte) && !"-._~".utf8.contains(byte)
    }
}

extension EndpointTemplate.Piece {
    fileprivate var written: String {
        switch self {
        case .text(let text): text
        case .variable(let name): "{\(name)}"
        }
    }
}

extension Provider {
    /// The `{variables}` of the endpoints, each once, in the order they come.
    public var variables: [String] {
        var seen: Set<String> = []
        return endpoints.named.flatMap { EndpointTemplate($0.url)?.variables ?? [] }.filter {
            seen.insert($0).inserted
        }
    }

    /// Whether the endpoints come from the discovery document of ``Endpoints/issuer``.
    public var isDiscovered: Bool { endpoints.token.isEmpty }

    /// The provider with its variables filled: by `values`, else by its defaults. A variable that is part of
    /// a host name takes letters, digits and hyphens; one that is a whole host also dots; in a path also `.`
    /// and `_`; one that is a whole URL takes an https URL without a query.
    ///
    /// - Throws: ``VaultError/Code/invalidInput`` that names the variable that is missing, unknown, or does not fit.
    public func filling(_ values: [String: String]) throws(VaultError) -> Provider {
        let variables = self.variables
        if let unknown = values.keys.sorted().first(where: { !variables.contains($0) }) {
            throw VaultError(
                .invalidInput, "\(name) has no variable \(EntryNode.shown(unknown)).",
                remedy: variables.isEmpty
                    ? "It takes none." : "It takes \(variables.joined(separator: ", ")).")
        }
        let values = defaults.merging(values) { $1 }
        if let missing = variables.first(where: { values[$0] == nil }) {
            throw VaultError(
                .invalidInput, "\(name) needs a value for \(missing).",
                remedy: "Give it when you add the provider.")
        }
        var filled = self
        filled.endpoints = try endpoints.mapping { (url) throws(VaultError) in
            var misfit = ""
            guard let result = EndpointTemplate(url)?.filled(values, misfit: &misfit),
                result.isEmpty || EndpointURL.fault(of: result) == nil
            else {
                throw VaultError(
                    .invalidInput, "The value for \(misfit) does not fit into the endpoints of \(name).",
                    remedy: "Letters, digits and hyphens fit everywhere; dots only in a whole host or a path."
                )
            }
            return result
        }
        return filled
    }
}

extension Provider.Endpoints {
    /// By the names that entries have for them.
    private static let places: KeyValuePairs<String, any WritableKeyPath<Self, String?> & Sendable> = [
        "authorization": \.authorization, "token": \.givenToken, "refresh": \.refresh,
        "revocation": \.revocation, "device_authorization": \.deviceAuthorization, "issuer": \.issuer,
    ]

    private var givenToken: String? {
        get { token }
        set { token = newValue ?? "" }
    }

    /// Those that there are.
    package var named: [(name: String, url: String)] {
        Self.places.compactMap { name, place in self[keyPath: place].map { (name, $0) } }
    }

    /// - Returns: whether there is an endpoint of that name.
    package mutating func set(_ name: String, to url: String) -> Bool {
        guard let place = Self.places.first(where: { $0.key == name })?.value else { return false }
        self[keyPath: place] = url
        return true
    }

    fileprivate func mapping(
        _ transform: (String) throws(VaultError) -> String
    ) throws(VaultError) -> Provider.Endpoints {
        var mapped = self
        for (_, place) in Self.places {
            if let url = self[keyPath: place] { mapped[keyPath: place] = try transform(url) }
        }
        return mapped
    }
}
