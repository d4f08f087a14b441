import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import TokenKeeper
import VaultCore

/// A reply read whole, or why not.
enum IncomingReply {
    /// The head came, the rest did not.
    struct Failure: Error {
        let cause: TransportFailure.Cause
    }

    /// Header fields of an answer; busy servers send 40.
    private static let maximumFields = 256

    static func read(_ response: HTTPClientResponse, atMost bodyBytes: Int) async throws -> ProviderReply {
        guard response.headers.count <= maximumFields else { throw Failure(cause: .tooLarge) }
        let headers = Dictionary(response.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in
            first
        }
        return ProviderReply(
            status: Int(response.status.code), headers: headers,
            body: SecretBytes(try await body(response, atMost: bodyBytes)))
    }

    private static func body(_ response: HTTPClientResponse, atMost limit: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        do {
            for try await part in response.body {
                guard bytes.count + part.readableBytes <= limit else {
                    throw Failure(cause: .tooLarge)
                }
                bytes.append(contentsOf: part.readableBytesView)
            }
        } catch {
            throw cause(error).map(Failure.init) ?? error
        }
        return bytes
    }

    /// Nil: not about the connection.
    private static func cause(_ error: any Error) -> TransportFailure.Cause? {
        switch error {
        case is Failure, is CancellationError, is ReplyBound.Exceeded: nil
        case HTTPParserError.invalidEOFState: .truncated
        // What came is not HTTP.
        case is HTTPParserError: .other
        default: .truncated
        }
    }
}
