import Foundation

extension Secret where Value == [UInt8] {
    /// A password or a passphrase as it is hashed: OpaqueString of RFC 8265 section 4.2, so that it is the same typed on
    /// another system. Every space becomes U+0020, then the text is brought into NFC; case is kept.
    ///
    /// - Parameter noun: what it is to a person.
    /// - Throws: `invalidInput` for what is not UTF-8 and for control characters and unassigned ones; never with the text
    ///   itself. How long it may be is up to the caller.
    package func opaqueString(_ noun: String) throws(VaultError) -> SecretBytes {
        try withExposed { octets throws(VaultError) in
            guard octets.count <= Limits.typedSecretBytes else { throw invalid("The \(noun) is too long.") }
            guard let text = String(validating: octets, as: UTF8.self) else {
                throw invalid("The \(noun) is not UTF-8.")
            }
            var prepared = String.UnicodeScalarView()
            for scalar in text.unicodeScalars {
                switch scalar.properties.generalCategory {
                case .control, .lineSeparator, .paragraphSeparator, .unassigned:
                    throw invalid(
                        "The \(noun) has a control character in it, or one that Unicode does not know.")
                case .spaceSeparator: prepared.append(" ")
                default: prepared.append(scalar)
                }
            }
            guard let composed = String(prepared).composed else {
                throw invalid("The \(noun) has characters in it that have more than one form.")
            }
            return SecretBytes(copying: composed)
        }
    }
}

extension String {
    var isASCII: Bool { utf8.allSatisfy { $0 < 0x80 } }

    /// In NFC. Foundation takes some characters beyond U+FFFF for others while it composes, by their last 16 bits: nil where
    /// what it made is not the same text to Swift, which compares by canonical equivalence.
    var composed: String? {
        isASCII ? self : [precomposedStringWithCanonicalMapping].first { $0 == self }
    }

    /// In NFKC; nil as with ``composed``.
    var compatiblyComposed: String? {
        [precomposedStringWithCompatibilityMapping].first { $0 == decomposedStringWithCompatibilityMapping }
    }
}

private func invalid(_ message: String) -> VaultError {
    VaultError(.invalidInput, message, remedy: "Choose another, or write it as UTF-8 text.")
}
