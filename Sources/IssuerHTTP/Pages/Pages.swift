import HTTPTypes
import Hummingbird
import NIOCore
import TokenIssuer
import VaultCore
import VaultCrypto

/// Makes responses for browsers: pages from templates, redirects, and pages that say what went wrong.
struct Pages: Sendable {
    private let issuer: TokenIssuer

    init(_ issuer: TokenIssuer) { self.issuer = issuer }

    /// `path` as the browser asks for it: below the issuer's URL, which may itself have a path.
    func link(_ path: String) -> String {
        guard let rest = issuer.issuer?.split(separator: "://", maxSplits: 1).last,
            let slash = rest.firstIndex(of: "/")
        else { return path }
        let prefix = rest[slash...]
        return (prefix.hasSuffix("/") ? prefix.dropLast() : prefix) + path
    }

    /// - Parameters:
    ///   - leadsToClient: redirects after a form on the page may lead to a client, and from there on.
    ///   - script: what the page runs, and nothing else.
    func page(
        _ template: PageTemplate, _ values: [String: Any], status: HTTPResponse.Status = .ok,
        leadsToClient: Bool = false, script: String? = nil, to request: Request,
        _ id: RequestID = RequestID(),
        headers: HTTPFields = [:]
    ) -> Response {
        var values = values
        values["stylesheet"] = link(PageAsset.stylesheet.path)
        values["icon"] = link(PageAsset.icon.path)
        let text: String
        do { text = try template.render(values) } catch {
            return Response(issuer.refusal(of: error), to: request, id: id)
        }
        var fields = Self.fields(id)
        fields[.contentType] = "text/html; charset=utf-8"
        fields[.contentSecurityPolicy] = Self.policy(leadsToClient, script)
        for field in headers { fields.append(field) }
        return Response(
            status: status, headers: fields, body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    func error(
        _ error: OAuthError, to request: Request, _ id: RequestID = RequestID(), headers: HTTPFields = [:]
    ) -> Response {
        var headers = headers
        if let seconds = error.retryAfter { headers[.retryAfter] = String(seconds) }
        return page(
            .error,
            [
                "title": error.status >= 500 ? "Something went wrong" : "This did not work",
                "text": error.description, "code": error.code.rawValue, "request": id.description,
            ], status: HTTPResponse.Status(code: error.status), to: request, id, headers: headers)
    }

    /// RFC 9700 section 4.12: "the authorization server MUST NOT use the HTTP 307 status code for redirection"; 303
    /// turns a POST into a GET, so that no password is sent on.
    func seeOther(
        _ location: String, to request: Request, _ id: RequestID = RequestID(), headers: HTTPFields = [:]
    ) -> Response {
        var fields = Self.fields(id)
        fields[.location] = location
        fields[.contentLength] = "0"
        for field in headers { fields.append(field) }
        return Response(status: .seeOther, headers: fields)
    }

    /// An answer that the browser posts to the client by itself, or by a button where it runs no scripts (OAuth 2.0 Form
    /// Post Response Mode section 2).
    func post(_ answer: PostedAnswer, to request: Request, _ id: RequestID) -> Response {
        answer.fields.withExposed { fields in
            page(
                .formPost,
                [
                    "title": "You are sent back", "action": answer.action, "script": Self.submit,
                    "fields": fields.map { ["name": $0.name, "value": $0.value] },
                ], leadsToClient: true, script: Self.submit, to: request, id)
        }
    }

    private static let submit = "document.forms[0].submit()"

    /// Answers with what `body` makes, or with a page about what it throws.
    func answering(_ request: Request, _ body: (RequestID) async throws -> Response) async -> Response {
        let id = RequestID()
        do { return try await body(id) } catch let refusal as OAuthError {
            return error(refusal, to: request, id)
        } catch let failure as FormBody.Failure {
            return error(
                failure.refusal, to: request, id,
                headers: failure.closesConnection ? [.connection: "close"] : [:])
        } catch {
            return self.error(issuer.refusal(of: error), to: request, id)
        }
    }

    /// Answers the methods given, and says to the others which these are.
    func mount<Routes: RouterMethods>(
        _ path: String, on router: Routes,
        _ endpoints: [(HTTPRequest.Method, @Sendable (Request, Routes.Context) async -> Response)]
    ) {
        let path = RouterPath(path)
        for (method, respond) in endpoints {
            router.on(path, method: method) { await respond($0, $1) }
        }
        let taken = endpoints.map(\.0)
        let allow = taken.map(\.rawValue).joined(separator: ", ")
        for method in HTTPRequest.Method.known where !taken.contains(method) {
            router.on(path, method: method) { request, _ in
                error(Refusal.method(allow), to: request, headers: [.allow: allow])
            }
        }
    }

    /// No page of ours is kept, framed, guessed at, or named to where its links lead (RFC 9700 sections 4.2 and 4.16).
    private static func fields(_ id: RequestID) -> HTTPFields {
        var fields: HTTPFields = [
            .cacheControl: "no-store", .pragma: "no-cache", .xContentTypeOptions: "nosniff",
            .frameOptions: "DENY", .referrerPolicy: "no-referrer",
        ]
        fields[.requestID] = id.description
        return fields
    }

    /// A host's answer, with the fields against keeping, framing and naming it that it lacks. What the host set stays.
    ///
    /// A policy of its own that says nothing of `frame-ancestors` gets a second one beside it: browsers obey each (Content
    /// Security Policy 3 section 8.1). `X-Frame-Options` does not count as an answer, so a host that frames its page says
    /// `frame-ancestors 'self'`.
    static func guarded(_ response: Response) -> Response {
        var response = response
        if response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "no-store" }
        if response.headers[.referrerPolicy] == nil { response.headers[.referrerPolicy] = "no-referrer" }
        let directives = response.headers[values: .contentSecurityPolicy].flatMap {
            $0.split { $0 == "," || $0 == ";" }
        }
        let saysWhoFrames = directives.contains { directive in
            directive.split(whereSeparator: \.isWhitespace).first?.lowercased() == "frame-ancestors"
        }
        if !saysWhoFrames {
            response.headers.append(HTTPField(name: .contentSecurityPolicy, value: "frame-ancestors 'none'"))
        }
        return response
    }

    /// Where a form leads to a client, the policy has no `form-action`: Chromium applies it to every redirect after the
    /// form, so it would stop a client whose callback redirects on, to an origin that only the client knows.
    ///
    /// The directive is a second line against markup that slipped into a page and sends a form elsewhere. The others
    /// stay: no text from outside is markup (``EscapedText``), nothing runs as a script, `base-uri` fixes what our
    /// forms' addresses mean, and the hidden field of a form works in one session of one browser alone.
    private static func policy(_ leadsToClient: Bool, _ script: String?) -> String {
        "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'"
            + (leadsToClient ? "" : "; form-action 'self'")
            + (script.map { "; script-src 'sha256-\(Base64.encode(SHA256.hash(Array($0.utf8)).bytes))'" }
                ?? "")
    }
}

/// Where the pages are, below the issuer's URL.
enum PagePaths {
    static let authorize = "/oauth2/authorize"
    static let consent = "/consent"
    static let consents = "/account/consents"
    static let signIn = "/sign-in"
    static let front = "/sign-in/front"
    static let signOut = "/sign-out"
    static let endSession = "/oauth2/logout"
}

extension HTTPField.Name {
    /// `X-Frame-Options` (RFC 7034), for browsers that do not know `frame-ancestors`.
    fileprivate static let frameOptions = field("X-Frame-Options")
    /// `Referrer-Policy` (W3C).
    fileprivate static let referrerPolicy = field("Referrer-Policy")
}
