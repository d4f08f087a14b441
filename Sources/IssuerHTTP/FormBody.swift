import HTTPTypes
import Hummingbird
import NIOCore
import TokenIssuer

/// Reads the body of a form request within its limits.
struct FormBody {
    /// Why there is no body, and whether the connection can go on after saying so.
    struct Failure: Error {
        let refusal: OAuthError
        let closesConnection: Bool
    }

    private let limits: RequestLimits

    init(_ limits: RequestLimits) { self.limits = limits }

    /// The octets of the body.
    func read(_ request: Request) async throws(Failure) -> [UInt8] {
        let declared = request.headers.only(.contentLength).flatMap { Int($0) }
        // Nobody sends this much by mistake; reading it only to say no would be a favour to the wrong people.
        if let declared, declared > limits.bodyBytes + RequestLimits.drainedBytes {
            throw Failure(refusal: Refusal.tooLarge, closesConnection: true)
        }
        let deadline = ContinuousClock.now + limits.readTime
        var body: [UInt8] = []
        if let declared, declared <= limits.bodyBytes { body.reserveCapacity(declared) }
        var count = 0
        do {
            for try await chunk in request.body {
                count += chunk.readableBytes
                if count <= limits.bodyBytes { body.append(contentsOf: chunk.readableBytesView) }
                guard count <= limits.bodyBytes + RequestLimits.drainedBytes else {
                    throw Failure(refusal: Refusal.tooLarge, closesConnection: true)
                }
                // A silent connection is closed by its idle timeout; this is for one that trickles.
                guard count == declared || ContinuousClock.now < deadline else {
                    throw Failure(refusal: Refusal.tooSlow, closesConnection: true)
                }
            }
        } catch {
            throw error as? Failure ?? Failure(refusal: Refusal.truncated, closesConnection: true)
        }
        guard count <= limits.bodyBytes else {
            throw Failure(refusal: Refusal.tooLarge, closesConnection: false)
        }
        guard declared == nil || declared == count else {
            throw Failure(refusal: Refusal.truncated, closesConnection: true)
        }
        guard Self.isForm(request.headers) else {
            throw Failure(refusal: Refusal.mediaType, closesConnection: false)
        }
        return body
    }

    /// RFC 6749 appendix B: the form media type "with a character encoding of UTF-8".
    private static func isForm(_ headers: HTTPFields) -> Bool {
        guard let value = headers.only(.contentType) else { return false }
        if value == form { return true }
        let parts = value.split(separator: ";", omittingEmptySubsequences: false).map(trimmed)
        guard parts.first == form else { return false }
        return parts.dropFirst().allSatisfy { parameter in
            !parameter.hasPrefix("charset=") || ["charset=utf-8", #"charset="utf-8""#].contains(parameter)
        }
    }

    private static let form = "application/x-www-form-urlencoded"

    private static func trimmed(_ text: Substring) -> String {
        let isSpace = { (character: Character) in character == " " || character == "\t" }
        return String(text.drop(while: isSpace).reversed().drop(while: isSpace).reversed()).lowercased()
    }
}
