import HummingbirdCore
import Logging
import NIOCore
import NIOSSL

/// HTTP/1.1 inside TLS, each connection with the certificate that is shown when it opens.
struct CertificateChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    private let http: HTTP1Channel
    private let certificate: ServerCertificate

    init(_ http: HTTP1Channel, _ certificate: ServerCertificate) {
        self.http = http
        self.certificate = certificate
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(
                NIOSSLServerHandler(context: certificate.context))
        }.flatMap { http.setup(channel: channel, logger: logger) }
    }

    func handle(value: Value, logger: Logger) async {
        await http.handle(value: value, logger: logger)
    }
}
