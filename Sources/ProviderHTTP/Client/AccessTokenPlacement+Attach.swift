import AsyncHTTPClient
import NIOHTTP1
import TokenKeeper
import VaultCore

extension Provider.AccessTokenPlacement {
    /// Puts the token into the request, in the one place its provider reads. "Clients MUST NOT use more than
    /// one method to transmit the token in each request" (RFC 6750 section 2): a request that already has
    /// one, in any place and spelling, is refused rather than mended.
    ///
    /// - Parameter form: the body if it is a form.
    func attach(
        _ token: SecretBytes, to request: inout HTTPClientRequest, form: Substring.UTF8View? = nil
    ) throws(ProviderClientError) {
        let query = request.url.utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst()
        guard !request.headers.contains(name: "authorization"), !carriesToken(query),
            !(form.map { carriesToken($0[...]) } ?? false)
        else { throw .tokenAlreadyPresent }
        let text = try token.withExposed { bytes throws(ProviderClientError) in
            // RFC 6750 section 2.1 allows fewer characters, providers use more; a space or a line end would be read
            // as the end of the token.
            guard !bytes.isEmpty, bytes.allSatisfy({ 0x21...0x7e ~= $0 }) else { throw .malformedToken }
            return String(decoding: bytes, as: UTF8.self)
        }
        switch self {
        case .header(let scheme):
            request.headers.add(name: "authorization", value: scheme.isEmpty ? text : "\(scheme) \(text)")
        case .query(let parameter):
            request.url += request.url.contains("?") ? (query.isEmpty ? "" : "&") : "?"
            request.url += FormCoding.encode(parameter) + "=" + FormCoding.encode(text)
        }
    }

    /// Whether a form or query names the token's parameter: `access_token`, `accessToken`, `access_token[]` or the
    /// entry's own, however escaped.
    private func carriesToken(_ form: Substring.UTF8View) -> Bool {
        var names: Set = [Self.folded("access_token")]
        if case .query(let parameter) = self { names.insert(Self.folded(parameter)) }
        return form.split { $0 == UInt8(ascii: "&") || $0 == UInt8(ascii: ";") }.contains { field in
            // What is not escaped rightly stays as it is: this only compares.
            let name = FormCoding.decode(field.prefix { $0 != UInt8(ascii: "=") }, keepsMalformed: true) ?? []
            return names.contains(Self.folded(String(decoding: name, as: UTF8.self)))
        }
    }

    /// One spelling for all: letters and digits in lower case, up to the bracket of an array.
    private static func folded(_ name: String) -> String {
        name.prefix { $0 != "[" }.lowercased().filter { $0.isLetter || $0.isNumber }
    }
}
