import ArgumentParser
import Foundation
import IssuerHTTP
import Logging
import OpenIDConnect
import ServiceLifecycle
import Synchronization
import TokenVault
import UnixSignals
import VaultCore

/// Serves the token endpoint until it is told to stop.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve tokens, sign-in and metadata over HTTP.",
        discussion: """
            SIGTERM and SIGINT end it gracefully: requests in flight get their answers. Other commands may work on \
            the same vault meanwhile. With TLS, SIGHUP reads the certificate again; without, put a proxy with TLS \
            in front of it.

            What is no flag is taken from the environment (TOKENVAULT_LISTEN and so on), then from the file of \
            --config, then from the defaults.

            Examples:
              tokenvault serve --listen 127.0.0.1:8080
              tokenvault serve --listen 0.0.0.0:443 --issuer https://id.example --tls-certificate chain.pem --tls-key key.pem
              tokenvault serve --config /etc/tokenvault/serve.json --check-config
            """)

    @OptionGroup var options: ServeOptions
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let settings = try ServeSettings(options, location)
        guard !options.checksOnly else {
            for name in settings.unknownVariables { output.note("\(name) is no setting.") }
            return try output.show(settings.effective)
        }
        // Before anything takes time: a reload that comes early must not end the process.
        if !endsWithTerminal { signal(SIGHUP, SIG_IGN) }
        let logger = settings.logFormat.logger(settings.logLevel)
        for name in settings.unknownVariables {
            logger.warning("A variable of the environment is no setting.", metadata: ["name": "\(name)"])
        }
        var configuration = settings.server
        configuration.maximumConnections = min(
            configuration.maximumConnections, max(16, DescriptorLimit.raise() - DescriptorLimit.reserve))
        let ready = try settings.readyFile.map { try ReadyFile(preparing: $0) }
        defer { ready?.remove() }
        let vault = try await settings.location.open(VaultOptions(channel: .http, logger: logger))
        do {
            let keys = VaultSigningKeys(vault)
            // The first time makes them.
            try await keys.prepare()
            configuration.idTokens = keys
            configuration.assertions = AssertionVerifier()
            try await serve(vault, configuration, logger, ready)
        } catch {
            await vault.close()
            throw error
        }
        await vault.close()
    }

    /// Started by hand, and nothing to read again: closing the terminal ends it, as with any command.
    private var endsWithTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    private func serve(
        _ vault: Vault, _ configuration: IssuerServer.Configuration, _ logger: Logger, _ ready: ReadyFile?
    ) async throws {
        let admin = Mutex<String?>(nil)
        let server = IssuerServer(
            vault: vault, configuration: configuration, logger: logger,
            onReady: { [output] url in
                do { try ready?.publish(url) } catch {
                    logger.error("The ready file could not be written.", metadata: ["error": "\(error)"])
                }
                let adminURL = admin.withLock { $0 }
                if output.isJSON {
                    try? Console.print(JSONText.encode(ServedRecord(admin: adminURL, url: url)))
                } else {
                    Console.note("tokenvault: serving at \(url)")
                    if let adminURL { Console.note("tokenvault: metrics at \(adminURL)/metrics") }
                }
                SupervisorNotice.ready.send()
            },
            onAdminReady: { url in admin.withLock { $0 = url } })
        var services: [ServiceGroupConfiguration.ServiceConfiguration] = [
            .init(service: server, successTerminationBehavior: .gracefullyShutdownGroup)
        ]
        var ending: [UnixSignal] = [.sigterm, .sigint]
        if configuration.tls != nil || !endsWithTerminal {
            services.insert(
                .init(service: CertificateReload(certificate: configuration.tls, logger: logger)), at: 0)
        } else {
            ending.append(.sighup)
        }
        services.append(.init(service: SupervisorNotices()))
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services, gracefulShutdownSignals: ending, logger: logger))
        try await group.run()
    }
}

/// Where it serves, as printed: `{"admin":"http://127.0.0.1:9090","url":"http://127.0.0.1:8080"}`, once requests are
/// taken; `admin` with `--admin-listen` only.
private struct ServedRecord: Encodable {
    let admin: String?
    let url: String
}
