import VaultCore

/// What stands for a sealed handle in these tests: the same fields, but in plain text.
struct Handle: Sendable {
    enum Kind: String, Sendable {
        case code = "ac"
        case access = "at"
        case refresh = "rt"
    }

    var kind: Kind
    var grant: Int
    var generation: UInt32
    var family: UInt64
    var nonce: UInt64
    /// When it was issued and when it ends, in milliseconds since 1970.
    var issued: Int64
    var ends: Int64

    var text: String {
        "\(kind.rawValue)_\(grant)_\(generation)_\(family)_\(nonce)_\(issued)_\(ends)"
    }

    init(
        kind: Kind, grant: Int, generation: UInt32, family: UInt64, nonce: UInt64, issued: Int64, ends: Int64
    ) {
        self.kind = kind
        self.grant = grant
        self.generation = generation
        self.family = family
        self.nonce = nonce
        self.issued = issued
        self.ends = ends
    }

    /// Nil for what no handle key made.
    init?(text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "_"))
        guard parts.count == 7, let kind = Kind(rawValue: String(parts[0]) ?? ""),
            let grant = Int(String(parts[1]) ?? ""), let generation = UInt32(String(parts[2]) ?? ""),
            let family = UInt64(String(parts[3]) ?? ""), let nonce = UInt64(String(parts[4]) ?? ""),
            let issued = Int64(String(parts[5]) ?? ""), let ends = Int64(String(parts[6]) ?? "")
        else { return nil }
        self.init(
            kind: kind, grant: grant, generation: generation, family: family, nonce: nonce, issued: issued,
            ends: ends)
    }
}

/// An access token and the refresh token that came with it.
struct Pair: Sendable, Equatable {
    let access: String
    let refresh: String
}

/// A token request, after the client was authenticated.
struct Request: Sendable {
    var kind: Handle.Kind
    var text: String
    var client: Int
    var scope: String?
}

/// A token response.
enum Answer: Sendable, Equatable {
    case pair(Pair, scope: Set<String>)
    case error(String)
    case unavailable
}

/// Lifetimes of one history, short enough that its few operations see them end.
struct Lifetimes: Sendable {
    var code: Int
    var retryWindowSeconds: Int
    var rotation = RefreshTokenRotation.strict
    var access = 300_000
    var idle = 3_600_000
    var absolute = 14_400_000
}
