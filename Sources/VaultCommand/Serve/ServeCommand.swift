import ArgumentParser
import Foundation
import GuardedFetch
import IssuerHTTP
import Logging
import OpenIDConnect
import ServiceLifecycle
import Synchronization
import TokenIssuer
import TokenVault
import UnixSignals

/// Serves the token endpoint until it is stopped.
struct ServeCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve tokens, sign-in and metadata over HTTP.",
        discussion: """
            SIGTERM and SIGINT end it gracefully: requests in flight get their answers. Other commands may use \
            the vault meanwhile. With TLS, SIGHUP reloads the certificate; without, put a proxy with TLS in \
            front.

            Settings come from flags, then the environment (TOKENVAULT_LISTEN and so on), then the file of \
            --config, then defaults.

            Examples:
              tokenvault serve --listen 127.0.0.1:8080
              tokenvault serve --issuer https://id.example --listen 127.0.0.1:8080
              tokenvault serve --role issuer --key-file /etc/tokenvault/issuer.key
              tokenvault serve --config /etc/tokenvault/serve.json --check-config
            """)

    @OptionGroup var options: ServeOptions
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let settings = try ServeSettings(options, location)
        guard !options.checksOnly else {
            for name in settings.unknownVariables { output.note("\(name) is not a setting.") }
            return try output.show(settings.effective, under: ["SETTING", "VALUE", "SOURCE"])
        }
        // Before anything takes time: a reload that comes early must not end the process.
        if !endsWithTerminal { signal(SIGHUP, SIG_IGN) }
        let logger = settings.logFormat.logger(settings.logLevel)
        for name in settings.unknownVariables {
            logger.warning("A variable of the environment is not a setting.", metadata: ["name": "\(name)"])
        }
        var configuration = settings.server
        configuration.maximumConnections = min(
            configuration.maximumConnections, max(16, Self.raiseDescriptorLimit() - Self.reservedDescriptors))
        let ready = try settings.readyFile.map { try ReadyFile(preparing: $0) }
        defer { ready?.remove() }
        // Before the key is in this process, which the fetcher is started from.
        let fetcher = settings.fetchesDocuments ? FetcherProcess(logger: logger) : nil
        defer { fetcher?.close() }
        configuration.documents = fetcher.map {
            ClientDocuments($0, logger: logger, innerHosts: settings.innerHosts)
        }
        try await settings.location.withVault(
            .service("tokenvault serve", .http, logger), for: settings.roles
        ) { vault in
            let keys = VaultSigningKeys(vault)
            // The first time makes them.
            do { try await keys.prepare() } catch let error as VaultError where error.code == .integrity {
                vault.noteDamage(error)
            }
            configuration.idTokens = keys
            configuration.assertions = AssertionVerifier()
            try await serve(vault, configuration, logger, ready)
        }
    }

    /// Started by hand, and nothing to read again: closing the terminal ends it, as with any command.
    private var endsWithTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    private func serve(
        _ vault: Vault, _ configuration: IssuerServerConfiguration, _ logger: Logger, _ ready: ReadyFile?
    ) async throws {
        let admin = Mutex<String?>(nil)
        let server = IssuerServer(
            vault: vault, configuration: configuration, logger: logger,
            onReady: { [output = output] url in
                let adminURL = admin.withLock { $0 }
                output.announce(
                    Shown(
                        [.json("admin", adminURL), .json("url", url)],
                        lines: ["serving at \(url)"] + (adminURL.map { ["metrics at \($0)/metrics"] } ?? [])),
                    line: url, in: ready, logger)
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

    /// Kept for the vault's own files, whatever the number of connections: without them no commit could be settled.
    private static let reservedDescriptors = 128

    /// Raises the soft limit on open files and connections to the hard one and returns what holds now.
    private static func raiseDescriptorLimit() -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        limit.rlim_cur = limit.rlim_max
        setrlimit(resource, &limit)
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        return Int(clamping: limit.rlim_cur)
    }
}

/// Reads the certificate again at every SIGHUP; a bad one is refused in the log, and the old one stays in use.
private struct CertificateReload: Service {
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
                "The new certificate was refused; the old one stays in use.",
                metadata: ["error": "\(message)"])
        }
    }
}
