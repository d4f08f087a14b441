import Foundation
import HTTPTypes
import Hummingbird
import Mustache
import NIOCore
import TokenIssuer
import VaultCore
import VaultCrypto

/// The pages there are: a template each, in `Templates/`, but for the one that is seen for a moment.
enum PageTemplate: String, CaseIterable {
    case consent
    case consents
    case error
    case formPost
    case signIn
    case signOut

    fileprivate var bytes: [UInt8] {
        switch self {
        case .consent: PackageResources.consent_mustache
        case .consents: PackageResources.consents_mustache
        case .error: PackageResources.error_mustache
        case .formPost: Array(Self.formPostText.utf8)
        case .signIn: PackageResources.sign_in_mustache
        case .signOut: PackageResources.sign_out_mustache
        }
    }

    private static let formPostText = """
        {{<layout}}{{$content}}
        <h1>{{title}}</h1>
        <form method="post" action="{{action}}">
        {{#fields}}
        <input type="hidden" name="{{name}}" value="{{value}}">
        {{/fields}}
        <div class="actions"><button class="primary" type="submit">Continue</button></div>
        </form>
        <script>{{script}}</script>
        {{/content}}{{/layout}}

        """

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

struct EscapedText: MustacheContentType {
    func escapeText(_ text: String) -> String { text.escapedForHTML }
}

extension String {
    /// Scalar by scalar: Mustache's own goes by grapheme. A quotation mark with a combining character behind it is
    /// no quotation mark to it, and still ends an attribute for a browser.
    package var escapedForHTML: String {
        unicodeScalars.reduce(into: "") { escaped, scalar in
            switch scalar {
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "&": escaped += "&amp;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            case "`": escaped += "&#96;"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
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

/// What the pages fetch: a file each, in `Templates/`, under a name that changes with its content.
struct PageAsset: Sendable {
    let path: String
    private let contentType: String
    private let bytes: [UInt8]

    static let stylesheet = PageAsset(
        "pages", "css", "text/css; charset=utf-8", PackageResources.pages_css)
    /// Without one, browsers ask for `/favicon.ico`, which is not ours to answer.
    static let icon = PageAsset("icon", "svg", "image/svg+xml", PackageResources.icon_svg)

    private init(_ name: String, _ suffix: String, _ contentType: String, _ bytes: [UInt8]) {
        path = "/assets/\(name)-\(SHA256.hash(bytes).description.prefix(16)).\(suffix)"
        self.contentType = contentType
        self.bytes = bytes
    }

    func response(to request: Request) -> Response {
        Response(
            status: .ok,
            headers: [
                .contentType: contentType, .cacheControl: "public, max-age=31536000, immutable",
                .xContentTypeOptions: "nosniff",
                // An image of this kind opened by itself is a document.
                .contentSecurityPolicy: "default-src 'none'; frame-ancestors 'none'",
            ], body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}

/// The consent page that comes along.
struct BundledConsentPage<Context: RequestContext>: ConsentPage {
    let pages: Pages

    func response(
        to question: ConsentQuestion, for request: Request, context: Context
    ) async throws -> Response {
        let client = question.clientName.displayed
        var values: [String: Any] = [:]
        values["resource"] = question.resource
        values["caution"] = question.caution
        values["cautionClass"] = question.isSelfRegistered ? "trouble" : "note"
        return pages.page(
            .consent,
            [
                "title": "Allow access?", "client": client, "user": question.userName.displayed,
                "initial": String(client.prefix(1)).uppercased(),
                "scopes": question.scopes.map(\.item), "hasScopes": !question.scopes.isEmpty,
                "destination": question.destination, "action": question.action, "form": question.form,
                "consents": pages.link(PagePaths.consents),
            ].merging(values) { $1 }, leadsToClient: true, to: request)
    }
}

extension ScopeDescription {
    /// What the templates take of it.
    var item: [String: Any] {
        var item: [String: Any] = ["name": name]
        if let text { item["text"] = text }
        return item
    }
}

extension VaultInstant {
    /// `2026-01-05`, UTC.
    var date: String {
        Date(timeIntervalSince1970: TimeInterval(secondsSince1970)).formatted(.iso8601.year().month().day())
    }

    /// `5 January 2026`, UTC: as people read it, in the language of the pages.
    var writtenDate: String {
        Date(timeIntervalSince1970: TimeInterval(secondsSince1970)).formatted(
            Date.FormatStyle(
                locale: Locale(identifier: "en_GB"), calendar: Calendar(identifier: .gregorian),
                timeZone: .gmt
            ).day().month(.wide).year())
    }
}
