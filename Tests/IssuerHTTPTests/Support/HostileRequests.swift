import Foundation
import TestSupport

/// What strangers send to the two endpoints that anyone may call: wrong each in its way, made from a seed.
struct HostileRequests {
    struct Sent {
        var body: [UInt8]
        /// The registration is a proper one: it is answered with a client.
        var isRegistration = false
    }

    /// The address that every proper client asks for.
    static let honest = "https://honest.example/cb"
    private static let wrongValues = [
        "null", "7", "-1e999", "true", #""""#, "[]", "{}", "[1]", "[null]", #""\ud800""#, #""a\u0000b""#,
        #"" a""#,
        #"["a","a"]"#, #"[["a"]]"#, #""implicit""#, #"["implicit"]"#,
    ]
    private static let wrongAddresses = [
        "", "/cb", "*", "https://", "http://evil.example/cb", "https://evil.example/#x",
        "javascript:alert(1)",
        "data:text/html,x", "https://a:b@evil.example", "https://127.0.0.1/cb", "https://2130706433/cb",
        "evil:/cb",
        "https://honest.example/cb/", "https://honest.example:444/cb", "HTTPS://honest.example/cb",
        "https://honest.example\\cb",
        "https://honest.example%2f@evil.example/cb", "\u{0}", "\u{202E}https://evil.example",
    ]

    var random: SeededGenerator
    /// Handles that this vault sealed for other ends.
    let sealed: [String]
    /// The identifier of the client that registered last, and of one before.
    var registered: [String]

    /// The body of a registration.
    mutating func registration() -> Sent {
        switch random.below(10) {
        case 0: return Sent(body: random.bytes(random.below(300)))
        case 1:
            let body = proper()
            return Sent(body: Array(body.prefix(random.below(body.count))))
        case 2:
            var body = proper()
            body[random.below(body.count)] = UInt8(truncatingIfNeeded: random.next())
            return Sent(body: body)
        case 3:
            return Sent(body: members([(random.pick(Self.members), random.pick(Self.wrongValues))] + basic))
        case 4: return Sent(body: nested())
        case 5:
            let member = random.pick(Self.members)
            return Sent(
                body: members(basic.filter { $0.0 != member } + [(member, random.pick(Self.wrongValues))]))
        case 6:
            let addresses = [Self.honest, random.pick(Self.wrongAddresses)].map(Self.quoted)
            return Sent(body: members([("redirect_uris", "[\(addresses.joined(separator: ","))]")]))
        case 7: return Sent(body: large())
        default: return Sent(body: proper(), isRegistration: true)
        }
    }

    private static let members = [
        "client_name", "redirect_uris", "grant_types", "response_types", "token_endpoint_auth_method",
        "scope",
    ]

    private var basic: [(String, String)] {
        [("client_name", #""A client""#), ("redirect_uris", #"["\#(Self.honest)"]"#)]
    }

    /// A registration that is taken, with all sorts of metadata.
    private mutating func proper() -> [UInt8] {
        let name = random.pick([
            "A client", "Ünïcödé 客戶", "<script>alert(1)</script>", "'; DROP TABLE clients; --", "%s%n",
        ])
        let more = (0..<random.below(8)).map { "https://n\($0).example/\(random.below(1000))" }
        var list = [
            ("client_name", Self.quoted(name)),
            ("redirect_uris", "[" + ([Self.honest] + more).map(Self.quoted).joined(separator: ",") + "]"),
        ]
        if random.below(2) == 0 {
            list.append(("grant_types", #"["refresh_token","authorization_code","password"]"#))
        }
        if random.below(2) == 0 { list.append(("token_endpoint_auth_method", #""client_secret_basic""#)) }
        if random.below(2) == 0 {
            list.append(("jwks", #"{"keys":[{"kty":"oct","k":"\#(random.next())"}]}"#))
        }
        if random.below(2) == 0 { list.append(("x-\(random.next())", "[[[{\"a\":[1,2,3]}]]]")) }
        return members(list)
    }

    private mutating func nested() -> [UInt8] {
        let opening = random.pick(["[", #"{"a":"#, #"{"redirect_uris":["#])
        return Array(String(repeating: opening, count: random.below(300) + 1).utf8)
    }

    /// A few are longer than a body may be.
    private mutating func large() -> [UInt8] {
        let count = random.below(100) == 0 ? 70_000 : random.below(100)
        let value =
            random.below(2) == 0
            ? Self.quoted(String(repeating: "a", count: count))
            : "[" + Array(repeating: "1", count: count / 2 + 33).joined(separator: ",") + "]"
        return members(basic + [("response_types", value)])
    }

    private func members(_ members: [(String, String)]) -> [UInt8] {
        Array(("{" + members.map { "\(Self.quoted($0)):\($1)" }.joined(separator: ",") + "}").utf8)
    }

    private static func quoted(_ text: String) -> String { "\"\(text)\"" }

    /// The parameters of an authorization request.
    mutating func authorization() -> String {
        if random.below(10) == 0 { return noise() }
        var parameters: [(name: String, value: String)] = [
            ("client_id", clientID()),
            ("redirect_uri", random.below(3) > 0 ? Self.honest : random.pick(Self.wrongAddresses)),
            ("response_type", random.pick(["code", "code", "code", "token", "id_token token", "none", ""])),
            ("code_challenge", random.pick([Stranger.challenge, Stranger.challenge, "short", ""])),
            ("code_challenge_method", random.pick(["S256", "S256", "plain"])),
            ("scope", random.pick(["basic", "", "admin", "a  b", "basic offline_access", "\u{7F}"])),
            (
                "state",
                random.pick([
                    "s", String(repeating: "s", count: random.below(random.below(50) == 0 ? 8000 : 80)),
                    "\r\nLocation: https://evil.example",
                ])
            ),
        ]
        for name in [
            "prompt", "max_age", "resource", "request", "request_uri", "response_mode", "id_token_hint",
            "nonce",
        ]
        where random.below(8) == 0 {
            let value = random.pick([
                "none", "-1", "https://evil.example/mcp", "fragment", "form_post", random.pick(sealed),
            ])
            parameters.append((name, value))
        }
        // RFC 6749 section 3.1: "Request and response parameters MUST NOT be included more than once."
        if random.below(10) == 0 { parameters.append(random.pick(parameters)) }
        if random.below(10) == 0 { parameters.remove(at: random.below(parameters.count)) }
        return parameters.map { "\($0)=\(Self.encoded($1))" }.joined(separator: "&")
    }

    private static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private mutating func noise() -> String {
        switch random.below(3) {
        case 0: return "continue=" + doctored(random.pick(sealed))
        case 1:
            return String(
                (0..<random.below(200)).map { _ in Character(UnicodeScalar(UInt8(0x21 + random.below(94)))) })
        default: return "client_id=%\(random.pick(["", "4", "zz", "00", "ff", "c0%80"]))&a=%"
        }
    }

    private mutating func clientID() -> String {
        let known = random.pick(registered)
        switch random.below(10) {
        case 0: return doctored(known)
        case 1: return String(known.dropLast(random.below(known.utf8.count)))
        case 2: return known + random.pick(["A", "=", " ", "\u{0}", String(repeating: "A", count: 2048)])
        case 3: return "tv_ci_" + Data(random.bytes(random.below(300))).base64EncodedString()
        case 4: return "tv_ci_" + random.pick(sealed)
        case 5: return "https://n\(random.below(1000)).example/client.json"
        case 6:
            return random.pick([
                "", "nobody", "https://[::1]/c", "https://127.0.0.1/c", String(repeating: "x", count: 3000),
            ])
        default: return known
        }
    }

    /// One character is another.
    private mutating func doctored(_ handle: String) -> String {
        var bytes = Array(handle.utf8)
        let place = random.below(bytes.count)
        bytes[place] = bytes[place] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
        return String(decoding: bytes, as: UTF8.self)
    }
}
