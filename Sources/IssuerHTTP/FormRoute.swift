import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import TokenIssuer
import TokenVault
import VaultCore

/// An endpoint that takes a form from a client (RFC 6749 section 3.2, RFC 7009 section 2, RFC 7662 section 2).
struct FormRoute: Sendable {
    /// A form that was read.
    struct Submission: Sendable {
        let request: Request
        let form: [UInt8]
        /// Something of it stood in the query string.
        let isInQuery: Bool
        let id: RequestID
        let peer: @Sendable () -> PeerAddress

        var authorization: [String] { request.headers[values: .authorization] }

        /// What the throttle of clients counts by is the network.
        var origin: RequestOrigin {
            RequestOrigin(.http, requestID: id.description, address: peer().network)
        }
    }

    private let issuer: TokenIssuer
    private let configuration: RequestConfiguration
    private let takesQuery: Bool
    private let answer: @Sendable (Submission) async throws -> Response

    /// - Parameters:
    ///   - takesQuery: for clients of a time when parameters travelled in the query string, by GET or beside a body.
    ///     Otherwise it is not looked at: RFC 6749 section 2.3.1 forbids client credentials there.
    ///   - answer: throws `OAuthError`.
    init(
        _ issuer: TokenIssuer, _ configuration: RequestConfiguration, takesQuery: Bool = false,
        answer: @escaping @Sendable (Submission) async throws -> Response
    ) {
        self.issuer = issuer
        self.configuration = configuration
        self.takesQuery = takesQuery
        self.answer = answer
    }

    func respond(to request: Request, in context: some RequestContext) async -> Response {
        let id = RequestID()
        do {
            let query = takesQuery ? Array((request.uri.query ?? "").utf8) : []
            guard query.count <= configuration.bodyBytes else {
                throw FormBody.Failure(refusal: Refusal.tooLarge, closesConnection: false)
            }
            let isPosted = request.method == .post
            let posted = isPosted ? try await FormBody(configuration).read(request) : []
            // Together, so that a parameter in both is one that comes twice.
            let form = query.isEmpty ? posted : query + (posted.isEmpty ? [] : [UInt8(ascii: "&")]) + posted
            return try await answer(
                Submission(
                    request: request, form: form, isInQuery: !query.isEmpty || !isPosted, id: id,
                    peer: PeerAddress.of(request, context, configuration, issuer)))
        } catch {
            return Response(failure: error, to: request, id: id)
        }
    }
}

/// Reads the body of a form request within its limits.
struct FormBody {
    /// Why there is no body, and whether the connection can go on after saying so.
    struct Failure: Error {
        let refusal: OAuthError
        let closesConnection: Bool
    }

    private let configuration: RequestConfiguration

    init(_ configuration: RequestConfiguration) { self.configuration = configuration }

    /// The octets of the body.
    ///
    /// - Parameter isJSON: it is to be JSON, and no form.
    func read(_ request: Request, isJSON: Bool = false) async throws(Failure) -> [UInt8] {
        let declared = request.headers.only(.contentLength).flatMap { Int($0) }
        // Nobody sends this much by mistake; reading it only to say no would be a favour to the wrong people.
        if let declared, declared > configuration.bodyBytes + RequestConfiguration.drainedBytes {
            throw Failure(refusal: Refusal.tooLarge, closesConnection: true)
        }
        let deadline = ContinuousClock.now + configuration.readTime
        var body: [UInt8] = []
        if let declared, declared <= configuration.bodyBytes { body.reserveCapacity(declared) }
        var count = 0
        do {
            for try await chunk in request.body {
                count += chunk.readableBytes
                if count <= configuration.bodyBytes { body.append(contentsOf: chunk.readableBytesView) }
                guard count <= configuration.bodyBytes + RequestConfiguration.drainedBytes else {
                    throw Failure(refusal: Refusal.tooLarge, closesConnection: true)
                }
                guard count == declared || ContinuousClock.now < deadline else {
                    throw Failure(refusal: Refusal.tooSlow, closesConnection: true)
                }
            }
        } catch {
            throw error as? Failure ?? Failure(refusal: Refusal.truncated, closesConnection: true)
        }
        guard count <= configuration.bodyBytes else {
            throw Failure(refusal: Refusal.tooLarge, closesConnection: false)
        }
        guard declared == nil || declared == count else {
            throw Failure(refusal: Refusal.truncated, closesConnection: true)
        }
        guard isJSON ? Self.isJSON(request.headers) : Self.isForm(request.headers, body) else {
            throw Failure(
                refusal: isJSON ? Refusal.jsonMediaType : Refusal.mediaType, closesConnection: false)
        }
        return body
    }

    /// RFC 6749 appendix B: the form media type "with a character encoding of UTF-8". A client that names another one is
    /// understood as long as every octet is ASCII, escaped ones too.
    private static func isForm(_ headers: HTTPFields, _ body: [UInt8]) -> Bool {
        guard let value = headers.only(.contentType) else { return false }
        if value == form { return true }
        let parts = value.split(separator: ";", omittingEmptySubsequences: false).map {
            $0.trimmingCharacters(in: .spaceAndTab).lowercased()
        }
        guard parts.first == form else { return false }
        return parts.dropFirst().allSatisfy { parameter in
            !parameter.hasPrefix("charset=") || ["charset=utf-8", #"charset="utf-8""#].contains(parameter)
                || isASCII(body)
        }
    }

    /// RFC 8259 section 8.1: JSON between systems is UTF-8, whatever a parameter says.
    private static func isJSON(_ headers: HTTPFields) -> Bool {
        let type = headers.only(.contentType)?.prefix { $0 != ";" }
        return type?.trimmingCharacters(in: .spaceAndTab).lowercased() == "application/json"
    }

    private static func isASCII(_ body: [UInt8]) -> Bool {
        body.allSatisfy { $0 < 0x80 }
            && zip(body, body.dropFirst()).allSatisfy { octet, next in
                octet != UInt8(ascii: "%") || FormCoding.digit(next).map { $0 < 8 } ?? true
            }
    }

    private static let form = "application/x-www-form-urlencoded"
}

/// The limits of requests, each with its reason.
public struct RequestConfiguration: Sendable {
    /// Longest body that is read: a token request with every parameter at its longest is under 8 KiB. More:
    /// 413.
    public var bodyBytes = 64 * 1024
    /// Time for the body to arrive. More: 408, and the connection is closed. A router of one's own notices when the next
    /// octets come.
    public var readTime = Duration.seconds(10)
    /// Whether failed authentications are counted by the last address in `X-Forwarded-For`, or in `Forwarded` (RFC 7239),
    /// instead of the connection's.
    ///
    /// Only behind a proxy that writes one of these headers itself: otherwise every stranger chooses where its guesses
    /// seem to come from. Without it behind a proxy, all clients share the proxy's address.
    public var trustsForwardedFor = false
    /// Body beyond ``bodyBytes`` that is read and thrown away, so that the connection survives a 413.
    static let drainedBytes = 1024 * 1024
    /// Headers of a request: ours take a few hundred bytes, proxies add their own.
    static let headerBytes = 16 * 1024
    static let headerFields = 100

    public init() {}
}

extension CharacterSet {
    /// What may stand around the parts of a header field (RFC 9110 section 5.6.3).
    static let spaceAndTab = CharacterSet(charactersIn: " \t")
}
