/// `application/x-www-form-urlencoded` (RFC 6749 appendix B), which queries of URLs are written in too.
package enum FormCoding {
    /// Everything but the unreserved characters becomes `%XX`, a space too: decoders of forms and of URLs both read that.
    package static func encode(_ bytes: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count)
        for byte in bytes {
            if isUnreserved(byte) {
                text.append(byte)
            } else {
                text += [UInt8(ascii: "%")] + hexadecimal(byte)
            }
        }
        return text
    }

    package static func encode(_ text: String) -> String {
        String(decoding: encode(Array(text.utf8)), as: UTF8.self)
    }

    /// `name=value` pairs joined by `&`.
    package static func encode(_ pairs: [(name: String, value: String)]) -> String {
        pairs.map { "\(encode($0.name))=\(encode($0.value))" }.joined(separator: "&")
    }

    /// A name or a value: `+` is a space, `%` begins two hexadecimal digits.
    ///
    /// - Parameter keepsMalformed: leave a percent sign without two digits as it is, for a text that is only compared.
    /// - Returns: nil for such a percent sign.
    package static func decode(_ text: some Collection<UInt8>, keepsMalformed: Bool = false) -> [UInt8]? {
        decode(octets: Array(text), keepsMalformed)
    }

    /// Not generic, so that the compiler sees what it loops over.
    private static func decode(octets text: [UInt8], _ keepsMalformed: Bool = false) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            let byte = text[index]
            index += 1
            switch byte {
            case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard index + 1 < text.count, let high = digit(text[index]), let low = digit(text[index + 1])
                else {
                    guard keepsMalformed else { return nil }
                    bytes.append(byte)
                    continue
                }
                bytes.append(high << 4 | low)
                index += 2
            default: bytes.append(byte)
            }
        }
        return bytes
    }

    /// The pairs of a form; the value of a name without `=` is empty. Nil for a percent sign without two digits, and for
    /// octets that are not UTF-8.
    package static func pairs(_ form: some Collection<UInt8>) -> [(name: String, value: String)]? {
        var pairs: [(name: String, value: String)] = []
        for pair in form.split(separator: UInt8(ascii: "&")) {
            let name = pair.prefix { $0 != UInt8(ascii: "=") }
            guard
                let name = decode(name).flatMap({ String(validating: $0, as: UTF8.self) }),
                let value = decode(pair.drop { $0 != UInt8(ascii: "=") }.dropFirst())
                    .flatMap({ String(validating: $0, as: UTF8.self) })
            else { return nil }
            pairs.append((name, value))
        }
        return pairs
    }

    /// RFC 3986 section 2.3.
    package static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// Two digits, in upper case.
    package static func hexadecimal(_ byte: UInt8) -> [UInt8] {
        [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }

    /// The value of a hexadecimal digit of either case.
    package static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        default: nil
        }
    }

    private static let digits = Array("0123456789ABCDEF".utf8)
}

/// Reading what decides about access: what two readers could take for two things is refused.
extension FormCoding {
    /// The longest request of ours has 9 parameters; the rest is room for extensions.
    package static let parameterLimit = 64

    /// - Throws: for malformed percent-encoding, control characters, NUL however spelled, octets that are not UTF-8, a
    ///   name that comes twice, and more than ``parameterLimit`` parameters.
    package static func strictPairs(_ body: [UInt8]) throws(FormError) -> [FormParameter] {
        var parameters: [FormParameter] = []
        parameters.reserveCapacity(8)
        // Nothing between two ampersands is no parameter.
        for pair in body.split(separator: UInt8(ascii: "&")) {
            let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            let name = try strict(pair[..<equals])
            let value = try strict(pair[equals...].dropFirst())
            guard parameters.count < parameterLimit else { throw .tooManyParameters }
            guard let name = String(validating: name, as: UTF8.self),
                value.allSatisfy({ $0 < 0x80 }) || String(validating: value, as: UTF8.self) != nil
            else { throw .notUTF8 }
            // Octets, not `==`: that takes two spellings of one character for equal.
            guard !parameters.contains(where: { $0.name.utf8.elementsEqual(name.utf8) }) else {
                throw .repeatedParameter
            }
            parameters.append(FormParameter(name: name, value: SecretBytes(value)))
        }
        return parameters
    }

    /// One name or value alone, as clients encode their credentials for Basic (RFC 6749 section 2.3.1).
    package static func strict(_ text: ArraySlice<UInt8>) throws(FormError) -> [UInt8] {
        var isPlain = true
        for byte in text {
            guard byte >= 0x20, byte != 0x7F else { throw .controlCharacter }
            if byte == UInt8(ascii: "+") || byte == UInt8(ascii: "%") { isPlain = false }
        }
        // Tokens and names are taken as they stand.
        if isPlain { return Array(text) }
        guard let bytes = decode(octets: Array(text)) else { throw .percentEncoding }
        guard !bytes.contains(0) else { throw .controlCharacter }
        return bytes
    }
}

/// A decoded parameter: any value may be a secret, so all are kept like one.
package struct FormParameter: Sendable {
    package let name: String
    package let value: SecretBytes

    /// For values that are no secret.
    package var text: String { value.text }
}

/// Why a form is refused.
package enum FormError: Error, Sendable {
    case percentEncoding
    case controlCharacter
    case notUTF8
    case tooManyParameters
    /// RFC 6749 section 3.2: "Request and response parameters MUST NOT be included more than once."
    case repeatedParameter
}
