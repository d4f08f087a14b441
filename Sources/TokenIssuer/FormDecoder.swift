package import VaultCore

/// Decodes `application/x-www-form-urlencoded` strictly: what two readers could take for two things is
/// refused. Refused are malformed percent-encoding, control characters, NUL however spelled, octets that are
/// not UTF-8 (RFC 6749 appendix B), a name that comes twice, and more than ``parameterLimit`` parameters.
package enum FormDecoder {
    /// The longest request of ours has 9 parameters; the rest is room for extensions.
    package static let parameterLimit = 64

    package static func decode(_ body: [UInt8]) throws(FormError) -> [FormParameter] {
        var parameters: [FormParameter] = []
        parameters.reserveCapacity(8)
        // Nothing between two ampersands is no parameter.
        for pair in body.split(separator: UInt8(ascii: "&")) {
            let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            let name = try decode(component: pair[..<equals])
            let value = try decode(component: pair[equals...].dropFirst())
            try add(name, value, to: &parameters)
        }
        return parameters
    }

    /// One name or value alone, as clients encode their credentials for Basic (RFC 6749 section 2.3.1).
    package static func decodeComponent(_ text: some Collection<UInt8>) throws(FormError) -> [UInt8] {
        try decode(component: Array(text)[...])
    }

    /// Not generic, so that the compiler sees what it loops over.
    static func decode(component text: ArraySlice<UInt8>) throws(FormError) -> [UInt8] {
        // Tokens and names are taken as they stand.
        guard text.contains(where: isSpecial) else { return Array(text) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var index = text.startIndex
        while index < text.endIndex {
            let byte = text[index]
            index += 1
            switch byte {
            case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                bytes.append(try octet(text, at: index))
                index += 2
            case 0x00...0x1F, 0x7F: throw .controlCharacter
            default: bytes.append(byte)
            }
        }
        return bytes
    }

    private static func add(
        _ name: [UInt8], _ value: [UInt8], to parameters: inout [FormParameter]
    ) throws(FormError) {
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

    /// Stands for another octet, or may not stand there.
    private static func isSpecial(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == 0x7F || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "%")
    }

    /// The octet whose two digits stand at `index`.
    private static func octet(_ text: ArraySlice<UInt8>, at index: Int) throws(FormError) -> UInt8 {
        guard index + 1 < text.endIndex, let high = digit(text[index]), let low = digit(text[index + 1])
        else {
            throw .percentEncoding
        }
        let octet = high << 4 | low
        guard octet != 0 else { throw .controlCharacter }
        return octet
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}

/// A decoded parameter: any value may be a secret, so all are kept like one.
package struct FormParameter: Sendable {
    package let name: String
    package let value: SecretBytes
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
