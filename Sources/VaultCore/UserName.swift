import Foundation

/// A user's name: kept and shown as it was given, and found by every spelling that people take for the same, as `Alice`,
/// `ALICE` and `ａｌｉｃｅ` for `alice`.
package struct UserName: Sendable {
    /// As it was given, in NFC.
    package let shown: String
    /// What it is found by; see ``folded(_:)``.
    package let folded: [UInt8]

    /// - Throws: `invalidInput` for what cannot be seen or told apart; never with the name itself.
    package init(_ text: String) throws(VaultError) {
        guard text.unicodeScalars.allSatisfy(Self.isVisible) else {
            throw Self.invalid("has no control, format, private or unassigned characters.")
        }
        guard let seen = Self.fold(text), Self.fold(seen) == seen, let shown = text.composed,
            shown.utf8.count <= Limits.nameBytes
        else {
            throw Self.invalid("has 1 to \(Limits.nameBytes) bytes, as it is given and in its folded form.")
        }
        (self.shown, folded) = (shown, Array(seen.utf8))
        guard let first = seen.unicodeScalars.first, let last = seen.unicodeScalars.last,
            !first.properties.isWhitespace, !last.properties.isWhitespace
        else { throw Self.invalid("does not begin or end with a space.") }
        guard try Self.isOfOneScript(seen) else {
            throw Self.invalid(
                "is of one script that is in use, with no letter of another that looks the same.")
        }
    }

    /// NFKC(casefold(NFKC(name))) in UTF-8 (The Unicode Standard, section 3.13): equal for what counts as one name. That of
    /// a text which is no name finds no user.
    package static func folded(_ text: String) -> [UInt8] { Array((fold(text) ?? text).utf8) }

    /// The folded form of a name as it is stored.
    package static func folded(_ shown: [UInt8]) -> [UInt8] { folded(String(decoding: shown, as: UTF8.self)) }

    /// Nil for what is longer or shorter than a name, and so finds no user.
    private static func fold(_ text: String) -> String? {
        guard (1...Limits.nameBytes).contains(text.utf8.count) else { return nil }
        if text.isASCII { return text.lowercased() }
        return text.compatiblyComposed?.unicodeScalars.map(caseFolded).joined().compatiblyComposed
    }

    /// The full case folding of Unicode (CaseFolding.txt, C and F), which is to lower case by way of upper case but for
    /// two: dotless i, which is no `i`, and Cherokee, which folds to upper case.
    private static func caseFolded(_ scalar: Unicode.Scalar) -> String {
        guard scalar != "\u{131}" else { return String(scalar) }
        let upper = scalar.properties.lowercaseMapping.unicodeScalars.map(\.properties.uppercaseMapping)
            .joined()
        if let first = upper.unicodeScalars.first, ("\u{13A0}"..."\u{13F5}").contains(first) { return upper }
        return upper.unicodeScalars.map(\.properties.lowercaseMapping).joined()
    }

    private static func isVisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator:
            false
        default: !scalar.properties.isDefaultIgnorableCodePoint
        }
    }

    private static func invalid(_ rule: String) -> VaultError {
        VaultError(.invalidInput, "A user name \(rule)")
    }
}

/// One script for a name (UTS 39 section 5.1), so that none passes for another by a letter that looks the same.
extension UserName {
    /// The scripts in use (UAX 31, tables 5 and 7); those of one entry may stand together, as they do in Chinese, Japanese
    /// and Korean.
    private static let scripts =
        [["Hani", "Hira", "Kana"], ["Hani", "Hang"], ["Hani", "Bopo"]]
            + """
            Latn Cyrl Grek Arab Armn Beng Deva Ethi Geor Gujr Guru Hebr Khmr Knda Laoo Mlym Mymr Orya Sinh Taml Telu Thaa Thai \
            Tibt Adlm Bali Bamu Batk Cakm Cans Cham Cher Hmnp Java Kali Lana Lepc Limb Lisu Mand Mtei Newa Nkoo Olck Osge Plrd \
            Rohg Saur Sund Sylo Syrc Tale Talu Tavt Tfng Vaii Wcho Yiii
            """.split(separator: " ").map { [String($0)] }

    private static func isOfOneScript(_ text: String) throws(VaultError) -> Bool {
        if text.isASCII { return true }
        do {
            return try scripts.contains { scripts in
                let classes = (["Zyyy", "Zinh"] + scripts).map { "\\p{scx=\($0)}" }.joined()
                return try Regex("[\(classes)]*").matchingSemantics(.unicodeScalar).wholeMatch(in: text)
                    != nil
            }
        } catch { throw VaultError(.internalError, "A script of Unicode is unknown.") }
    }
}
