import HTTPTypes
import Hummingbird
import TokenIssuer
import VaultCore

/// The access token of a request, in whichever one way it was sent (RFC 6750 section 2).
struct BearerCredentials {
    let accessToken: SecretBytes
    /// Section 2.3: the answer to such a request is for one reader alone.
    let isInQuery: Bool

    /// - Parameters:
    ///   - queryParameters: names an access token may have in the query string; none: that form is off.
    ///   - form: the body's access token, where a body was read.
    init(
        _ request: Request, queryParameters: [String], form: SecretBytes? = nil
    ) throws(BearerRefusal) {
        let header = try Self.inHeader(request.headers)
        let query = try Self.inQuery(request.uri.query, queryParameters)
        // RFC 6750 section 2: "Clients MUST NOT use more than one method to transmit the token in each request." Where
        // the query form is off, a token there is ignored when it stands alone, and still no second way.
        let isTwice = (header != nil && (query.isNamed || form != nil)) || (form != nil && query.isNamed)
        guard !isTwice else { throw .twice }
        guard let token = header ?? form ?? query.token else { throw .absent }
        accessToken = token
        isInQuery = header == nil && form == nil
    }

    /// Nil: no header, or one of another scheme.
    private static func inHeader(_ headers: HTTPFields) throws(BearerRefusal) -> SecretBytes? {
        let values = headers[values: .authorization]
        guard values.count <= 1 else { throw .twice }
        guard let value = values.first?.utf8 else { return nil }
        let scheme = value.prefix { $0 != UInt8(ascii: " ") }
        guard scheme.count == 6, String(Substring(scheme)).lowercased() == "bearer" else { return nil }
        let token = value.dropFirst(scheme.count).drop { $0 == UInt8(ascii: " ") }
        // Section 2.1: b64token, and nothing after it.
        guard !token.isEmpty, !token.contains(UInt8(ascii: " ")), !token.contains(UInt8(ascii: ",")) else {
            throw .malformed
        }
        return SecretBytes(Array(token))
    }

    /// The rest of the query is the host's own: only the names that matter are read.
    private static func inQuery(
        _ query: String?, _ names: [String]
    ) throws(BearerRefusal) -> (token: SecretBytes?, isNamed: Bool) {
        guard let query, !query.isEmpty else { return (nil, false) }
        var tokens: [SecretBytes] = []
        var count = 0
        for pair in Array(query.utf8).split(separator: UInt8(ascii: "&")) {
            let halves = pair.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let first = halves.first, let octets = try? FormCoding.strict(first) else {
                continue
            }
            let name = String(decoding: octets, as: UTF8.self)
            guard names.contains(name) || name == "access_token" else { continue }
            count += 1
            guard names.contains(name) else { continue }
            guard halves.count == 2, let value = try? FormCoding.strict(halves[1]) else {
                throw .malformed
            }
            tokens.append(SecretBytes(value))
        }
        guard tokens.count <= 1 else { throw .twice }
        return (tokens.first, count > 0)
    }
}
