import Mustache
import VaultCore

/// The pages there are: a template each, in `Templates/`.
enum PageTemplate: String, CaseIterable {
    case consent
    case consents
    case error
    case signIn
    case signOut

    fileprivate var bytes: [UInt8] {
        switch self {
        case .consent: PackageResources.consent_mustache
        case .consents: PackageResources.consents_mustache
        case .error: PackageResources.error_mustache
        case .signIn: PackageResources.sign_in_mustache
        case .signOut: PackageResources.sign_out_mustache
        }
    }

    /// The page with `values` in it, escaped.
    func render(_ values: [String: Any]) throws -> String {
        guard let text = try Self.library.get().render(values, withTemplate: rawValue) else {
            throw VaultError(.internalError, "The template \(rawValue) is missing.")
        }
        return text
    }

    private static let library = Result {
        MustacheContentTypes.register(EscapedText(), named: "PAGE")
        var library = MustacheLibrary()
        try library.register(
            String(decoding: PackageResources.layout_mustache, as: UTF8.self), named: "layout")
        for template in allCases {
            try library.register(String(decoding: template.bytes, as: UTF8.self), named: template.rawValue)
        }
        return library
    }
}

/// Escapes text for HTML, scalar by scalar. Mustache's own goes by grapheme: a quotation mark with a
/// combining character behind it is no quotation mark to it, and still ends an attribute for a browser.
struct EscapedText: MustacheContentType {
    func escapeText(_ text: String) -> String {
        var escaped = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "<": escaped.append(contentsOf: "&lt;".unicodeScalars)
            case ">": escaped.append(contentsOf: "&gt;".unicodeScalars)
            case "&": escaped.append(contentsOf: "&amp;".unicodeScalars)
            case "\"": escaped.append(contentsOf: "&quot;".unicodeScalars)
            case "'": escaped.append(contentsOf: "&#39;".unicodeScalars)
            case "`": escaped.append(contentsOf: "&#96;".unicodeScalars)
            default: escaped.append(scalar)
            }
        }
        return String(escaped)
    }
}

extension String {
    /// A name from outside as a page shows it: without the characters that turn the direction of text around.
    /// One that is left open in a name turns around what stands behind the name, too: in Chromium it breaks
    /// out of `<bdi>`. And a name reads the same everywhere without them.
    var displayed: String {
        String(String.UnicodeScalarView(unicodeScalars.filter { !Self.isDirectionControl($0) }))
    }

    // Unicode Standard Annex 9, section 2: embeddings, overrides and isolates.
    private static func isDirectionControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}": true
        default: false
        }
    }
}
