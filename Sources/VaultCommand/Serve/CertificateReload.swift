import IssuerHTTP
import Logging
import ServiceLifecycle
import UnixSignals
import VaultCore

/// Reads the certificate again at every SIGHUP; a bad one is refused with a line in the log, and the old one goes on.
struct CertificateReload: Service {
    let certificate: ServerCertificate?
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await _ in await UnixSignalsSequence(trapping: .sighup) { reload() }
        }
    }

    private func reload() {
        guard let certificate else {
            return logger.notice("SIGHUP: there is no certificate to read again.")
        }
        do {
            try certificate.reload()
            logger.notice(
                "The certificate was read again.",
                metadata: ["expires_at": "\(Timestamp(certificate.expiresAt))"])
        } catch {
            let message = (error as? VaultError)?.message ?? "Unexpected failure of type \(type(of: error))."
            logger.error(
                "The new certificate was refused; the old one goes on.", metadata: ["error": "\(message)"])
        }
    }
}
