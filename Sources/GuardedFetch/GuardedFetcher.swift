import Foundation
public import TokenIssuer

/// Fetches documents in this process, for services that cannot start themselves again; ``FetcherProcess`` keeps what
/// strangers send away from the keys.
public final class GuardedFetcher: DocumentFetching {
    private let engine: FetchEngine
    private let places = Places<Everywhere>(FetchEngine.atOnce)

    /// - Throws: what reading the authorities of the system throws.
    public convenience init() throws { self.init(FetchEngine(try FetchEngine.trust())) }

    package init(_ engine: FetchEngine) { self.engine = engine }

    public func fetch(_ request: DocumentRequest) async throws(DocumentFailure) -> [UInt8] {
        try places.enter(.here, isKnown: request.isKnown)
        defer { places.leave(.here, isKnown: request.isKnown) }
        let result: Result<[UInt8], DocumentFailure> = await withCheckedContinuation { continuation in
            Thread.detachNewThread { [engine] in
                continuation.resume(
                    returning: Result { () throws(DocumentFailure) in try engine.fetch(request) })
            }
        }
        return try result.get()
    }
}
