import HTTPTypes
import NIOCore
import TokenIssuer

/// The head of a request as a trusted front sends it, read so strictly that no two programs can take it for different
/// requests: GET without a body, lines that end in CRLF, no folded fields, and no field twice that is read here.
struct FrontHead: Equatable {
    /// Path and query.
    let target: String
    /// `Cookie` and the claims, by their names in lower case; nothing else of the request is looked at.
    let fields: [String: String]

    /// In bytes. Fronts add fields of their own, such as tokens.
    static let longest = 32 * 1024

    /// - Parameter head: everything up to and with the empty line.
    init?(_ head: [UInt8]) {
        guard head.count <= Self.longest, var lines = Self.lines(head) else { return nil }
        let request = lines.removeFirst().split(separator: 0x20, omittingEmptySubsequences: false)
        guard request.count == 3, request[0].elementsEqual("GET".utf8),
            request[2].elementsEqual("HTTP/1.1".utf8), request[1].first == UInt8(ascii: "/"),
            request[1].allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") })
        else { return nil }
        target = String(decoding: request[1], as: UTF8.self)
        var fields: [String: String] = [:]
        var names: Set<String> = []
        for line in lines {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
                line[..<colon].allSatisfy(Self.isTokenOctet),
                let value = String(validating: line[line.index(after: colon)...], as: UTF8.self)
            else { return nil }
            let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
            let isNew = names.insert(name).inserted
            guard !Self.refused.contains(name), isNew || !(Self.read.contains(name) || name == "host") else {
                return nil
            }
            // Some programs take `-` and `_` for one another, and may have let such a field pass.
            guard Self.read.contains(name) || !Self.read.contains(name.replacing("-", with: "_")) else {
                return nil
            }
            if Self.read.contains(name) { fields[name] = Self.trimmed(value) }
        }
        guard names.contains("host") else { return nil }
        self.fields = fields
    }

    /// The request as it goes on: what was understood of it, and no more.
    var forwarded: ByteBuffer {
        var text = "GET \(target) HTTP/1.1\r\nHost: front\r\nConnection: close\r\n"
        for (name, value) in fields { text += "\(name): \(value)\r\n" }
        return ByteBuffer(string: text + "\r\n")
    }

    /// The field of a claim, as mod_auth_openidc calls it.
    static func field(_ claim: FrontIdentity.Claim) -> String { "oidc_claim_" + claim.rawValue }

    private static let read: Set<String> = Set(FrontIdentity.Claim.allCases.map(field) + ["cookie"])

    /// Any body, and whatever changes what follows on the connection.
    private static let refused: Set<String> = [
        "content-length", "transfer-encoding", "trailer", "upgrade", "expect",
    ]

    /// Nil where a line ends otherwise than in CRLF, or has a control character in it.
    private static func lines(_ head: [UInt8]) -> [ArraySlice<UInt8>]? {
        var lines: [ArraySlice<UInt8>] = []
        var rest = head[...]
        while let end = rest.firstIndex(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F }) {
            let next = rest.index(after: end)
            guard rest[end] == 0x0D, next < rest.endIndex, rest[next] == 0x0A else { return nil }
            lines.append(rest[..<end])
            rest = rest[(next + 1)...]
        }
        guard rest.isEmpty, lines.count > 1, lines.removeLast().isEmpty, lines.allSatisfy({ !$0.isEmpty })
        else { return nil }
        return lines
    }

    /// RFC 9110 section 5.6.2: no space stands before the colon, or at the beginning of a line.
    private static func isTokenOctet(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(octet)
        }
    }

    private static func trimmed(_ value: String) -> String {
        let isBlank = { (character: Character) in character == " " || character == "\t" }
        let start = value.drop(while: isBlank)
        return String(
            start[..<(start.lastIndex { !isBlank($0) }.map(start.index(after:)) ?? start.startIndex)])
    }
}
