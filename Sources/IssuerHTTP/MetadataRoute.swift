import HTTPTypes
import Hummingbird
import TokenIssuer

/// What anybody may read of an issuer: its metadata and its public keys (RFC 8414, OpenID Connect Discovery, RFC 7517).
struct MetadataRoute: Sendable {
    /// Keys stay published after a rotation for longer than this, and a client that meets an unknown key asks again.
    static let cacheControl = "public, max-age=300"
    private let read: @Sendable () async throws(OAuthError) -> [UInt8]?

    init(_ read: @escaping @Sendable () async throws(OAuthError) -> [UInt8]?) { self.read = read }

    func respond(to request: Request) async -> Response {
        do throws(OAuthError) {
            guard let json = try await read() else { return Response(Refusal.notFound, to: request) }
            var response = Response(json: json, to: request)
            response.headers[.cacheControl] = Self.cacheControl
            response.headers[.pragma] = nil
            return response
        } catch {
            return Response(error, to: request)
        }
    }

    /// Where the documents are found, besides below the path of the issuer's URL (OpenID Connect Discovery
    /// section 4.1). RFC 8414 section 3.1 puts that path behind the well-known part.
    static func paths(_ name: String, issuerPath: String) -> [String] {
        let plain = "/.well-known/" + name
        return issuerPath.isEmpty ? [plain] : [plain, plain + issuerPath]
    }
}
