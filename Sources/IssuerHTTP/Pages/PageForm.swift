import Foundation
import HTTPTypes
import Hummingbird
import TokenIssuer
import TokenVault
import VaultCore

/// What a form of ours carries along in its hidden field `form`: sealed, so that nobody else can make one.
protocol PageForm: Codable, Sendable {
    /// One kind of form does not pass for another.
    static var purpose: String { get }
}

extension PageForm {
    /// The value of the hidden field, good for half an hour.
    func sealed(by vault: Vault) throws -> String {
        try vault.sealed(
            Array(try JSONEncoder().encode(self)), purpose: Self.purpose, lifetime: .seconds(30 * 60)
        ).text
    }

    /// Nil for a value that is not ours, of another form, or too old.
    init?(opening sealed: SecretBytes, by vault: Vault) {
        guard let bytes = vault.unseal(sealed, purpose: Self.purpose),
            let form = try? JSONDecoder().decode(Self.self, from: Data(bytes))
        else { return nil }
        self = form
    }
}

/// A form that a browser posted to one of our pages.
struct PostedForm: Sendable {
    private let fields: [FormParameter]

    init(_ request: Request, _ body: FormBody) async throws {
        let octets = try await body.read(request)
        // The browser's own word, where it has one, besides the sealed field: our forms are posted from our pages.
        if let site = request.headers[.fetchSite], site != "same-origin", site != "none" {
            throw Refusal.foreignForm
        }
        do { fields = try FormCoding.strictPairs(octets) } catch { throw Refusal.malformedForm }
    }

    /// Nil where it is absent or empty.
    func secret(_ name: String) -> SecretBytes? {
        let value = fields.first { $0.name == name }?.value
        return value.flatMap { $0.withExposed(\.isEmpty) ? nil : $0 }
    }

    func text(_ name: String) -> String? { secret(name)?.text }

    func form<Form: PageForm>(_ type: Form.Type, by vault: Vault) -> Form? {
        secret("form").flatMap { Form(opening: $0, by: vault) }
    }
}

extension HTTPField.Name {
    /// `Sec-Fetch-Site`: where the page is from that makes the request (W3C Fetch Metadata).
    fileprivate static let fetchSite = field("Sec-Fetch-Site")
}

extension SecretBytes {
    /// For a sealed value on its way into a page or a URL.
    var text: String { withExposed { String(decoding: $0, as: UTF8.self) } }
}
