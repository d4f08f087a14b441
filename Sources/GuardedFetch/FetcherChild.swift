import CVaultShims
import Foundation
import TokenIssuer

/// The fetcher in a process of its own, from the inside.
enum FetcherChild {
    /// The one argument that this program is started with.
    static let argument = "fetch-documents"

    /// Answers questions until the service has gone.
    static func run() -> Never {
        // The authorities are read while files can be; nothing has begun a thread yet.
        guard let trust = try? FetchEngine.trust() else { exit(1) }
        let readsResolver = canReadResolver
        // A name server that is silent must not outlast the time there is.
        setenv("RES_OPTIONS", "timeout:1 attempts:2", 1)
        let confined = tv_confine_fetcher()
        guard confined >= 0 else { exit(1) }
        let greeting = FetcherMessage.greeting(Confinement(rawValue: confined))
        guard PacketSocket.put(greeting, 0, waits: true) else { exit(0) }
        let engine = FetchEngine(trust)
        let places = Places<Everywhere>(FetchEngine.atOnce)
        while let packet = PacketSocket.take(0), let (number, request) = FetcherMessage.question(packet) {
            do throws(DocumentFailure) { try places.enter(.here, isKnown: request.isKnown) } catch {
                answer(number, .failure(error))
                continue
            }
            // The file was replaced, and what was allowed is the old one: the next process may read the new one.
            if readsResolver, !canReadResolver { exit(0) }
            Thread.detachNewThread {
                answer(number, Result { () throws(DocumentFailure) in try engine.fetch(request) })
                places.leave(.here, isKnown: request.isKnown)
            }
        }
        exit(0)
    }

    private static func answer(_ number: UInt64, _ result: Result<[UInt8], DocumentFailure>) {
        if !PacketSocket.put(FetcherMessage.answer(number, result), 0, waits: true) { exit(0) }
    }

    /// Started by hand it has no service to answer.
    static var isAnswering: Bool {
        var status = stat()
        return fstat(0, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
    }

    private static var canReadResolver: Bool {
        let descriptor = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC)
        if descriptor >= 0 { close(descriptor) }
        return descriptor >= 0
    }
}
