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
            request.url += FormText.encode(parameter) + "=" + FormText.encode(text)
        }
    }

    /// Whether a form or query names the token's parameter: `access_token`, `accessToken`, `access_token[]` or the
    /// entry's own, however escaped.
    private func carriesToken(_ form: Substring.UTF8View) -> Bool {
        var names: Set = [Self.folded("access_token")]
        if case .query(let parameter) = self { names.insert(Self.folded(parameter)) }
        return form.split { $0 == UInt8(ascii: "&") || $0 == UInt8(ascii: ";") }.contains { field in
            names.contains(Self.folded(FormText.decode(field.prefix { $0 != UInt8(ascii: "=") })))
        }
    }

    /// One spelling for all: letters and digits in lower case, up to the bracket of an array.
    private static func folded(_ name: String) -> String {
        name.prefix { $0 != "[" }.lowercased().filter { $0.isLetter || $0.isNumber }
    }
}

/// `application/x-www-form-urlencoded`, the part of it that names and tokens need.
enum FormText {
    /// A space as `%20`, which readers of forms and of URLs both take for one.
    static func encode(_ text: String) -> String {
        text.utf8.reduce(into: "") { result, byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"), UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                result += (digits.count == 1 ? "%0" : "%") + digits
            }
        }
    }

    /// What is not escaped rightly stays as it is: this only compares, it decides nothing about the text.
    static func decode(_ text: Substring.UTF8View) -> String {
        var bytes: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2)
            if byte == UInt8(ascii: "%"), digits.count == 2,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest.removeFirst(2)
            } else {
                bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
