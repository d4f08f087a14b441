import Foundation
import Hummingbird
import TokenIssuer
import VaultCore

/// The consent page that comes along.
struct BundledConsentPage: ConsentPage {
    private let pages: Pages

    init(_ pages: Pages) { self.pages = pages }

    func response(to question: ConsentQuestion, for request: Request) async throws -> Response {
        let client = question.clientName.displayed
        return pages.page(
            .consent,
            [
                "title": "Allow access?", "client": client, "user": question.userName.displayed,
                "initial": String(client.prefix(1)).uppercased(),
                "scopes": Self.items(question.scopes), "hasScopes": !question.scopes.isEmpty,
                "destination": question.destination, "action": question.action, "form": question.form,
                "consents": pages.link(PagePaths.consents),
            ], leadsToClient: true, to: request)
    }

    static func items(_ scopes: [ScopeDescription]) -> [[String: Any]] {
        scopes.map { scope in
            var item: [String: Any] = ["name": scope.name]
            if let text = scope.text { item["text"] = text }
            return item
        }
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
