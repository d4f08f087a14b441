import Foundation
import Synchronization
public import TokenIssuer

/// Fetches documents in this process, for services that cannot start themselves again; ``FetcherProcess`` keeps what
/// strangers send away from the keys.
public final class GuardedFetcher: DocumentFetching {
    private let engine: FetchEngine
    private let running = Atomic<Int>(0)

    /// - Throws: what reading the authorities of the system throws.
    public convenience init() throws { self.init(FetchEngine(try FetchEngine.trust())) }

    package init(_ engine: FetchEngine) { self.engine = engine }

    public func fetch(_ request: DocumentRequest) async throws(DocumentFailure) -> [UInt8] {
        defer { running.subtract(1, ordering: .relaxed) }
        guard running.add(1, ordering: .relaxed).newValue <= FetchEngine.atOnce else { throw .busy }
        let result: Result<[UInt8], DocumentFailure> = await withCheckedContinuation { continuation in
            Thread.detachNewThread { [engine] in
                continuation.resume(
                    returning: Result { () throws(DocumentFailure) in try engine.fetch(request) })
            }
        }
        return try result.get()
    }
}
