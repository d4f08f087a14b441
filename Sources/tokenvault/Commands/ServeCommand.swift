import ArgumentParser
import Foundation
import IssuerHTTP
import Logging
import NIOCore
import ServiceLifecycle
import TokenIssuer
import TokenVault
import UnixSignals
import VaultCore

/// Serves the token endpoint until it is told to stop.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve the token endpoint over HTTP.",
        discussion: """
            SIGTERM and SIGINT end it gracefully: requests in flight get their answers. Other commands may work on \
            the same vault meanwhile. Put a reverse proxy with TLS in front of it.

            Examples:
              tokenvault serve --listen 127.0.0.1:8080
              tokenvault serve --listen 0.0.0.0:8080 --issuer https://id.example
              tokenvault serve --listen 127.0.0.1:0 --ready-file ./ready
            """)

    @Option(help: ArgumentHelp("Address and port; port 0 takes a free one.", valueName: "host:port"))
    var listen = ListenAddress(host: "127.0.0.1", port: 8080)

    @Option(
        help:
            "The issuer's URL. On a loopback address it defaults to the URL served; elsewhere it is required."
    )
    var issuer: String?

    @Option(help: "standard, or quantimodo to accept clients of that API too.")
    var profile = "standard"

    @Option(
        name: .customLong("ready-file"),
        help: ArgumentHelp("Gets the base URL, one line, once requests are taken.", valueName: "path"),
        completion: .file())
    var readyFile: String?

    @Option(name: .customLong("log-level"), help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel: LogLevel = LogLevel(level: .info)

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard IssuerProfile(named: profile) != nil else {
            let names = IssuerProfile.all.map(\.name).joined(separator: ", ")
            throw ValidationError("There is no such profile; there are: \(names).")
        }
    }

    func run() async throws {
        var logger = Logger(label: "tokenvault") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = logLevel.level
        var configuration = IssuerServer.Configuration(
            host: listen.host, port: listen.port, issuer: issuer,
            profile: IssuerProfile(named: profile) ?? .standard)
        try configuration.check()
        configuration.maximumConnections = min(
            configuration.maximumConnections, max(16, DescriptorLimit.raise() - DescriptorLimit.reserve))
        let ready = try readyFile.map { try ReadyFile(preparing: $0) }
        defer { ready?.remove() }
        let vault = try await location.open(VaultOptions(channel: .http, logger: logger))
        do {
            try await serve(vault, configuration, logger, ready)
        } catch {
            await vault.close()
            throw (error as? IOError).map(bindingFailure) ?? error
        }
        await vault.close()
    }

    private func bindingFailure(_ error: IOError) -> VaultError {
        VaultError(
            error.errnoCode == EACCES ? .permissionDenied : .unavailable,
            "\(listen.defaultValueDescription) cannot be listened on: \(String(cString: strerror(error.errnoCode))).",
            remedy: "Choose another --listen HOST:PORT.")
    }

    private func serve(
        _ vault: Vault, _ configuration: IssuerServer.Configuration, _ logger: Logger, _ ready: ReadyFile?
    ) async throws {
        let server = IssuerServer(vault: vault, configuration: configuration, logger: logger) {
            [output] url in
            do { try ready?.publish(url) } catch {
                logger.error("The ready file could not be written.", metadata: ["error": "\(error)"])
            }
            if output.isJSON {
                try? Console.print(JSONText.encode(ServedRecord(url: url)))
            } else {
                Console.note("tokenvault: serving at \(url)")
            }
        }
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [.init(service: server, successTerminationBehavior: .gracefullyShutdownGroup)],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
    }
}

/// Where it serves, as printed: `{"url":"http://127.0.0.1:8080"}`, once requests are taken.
private struct ServedRecord: Encodable {
    let url: String
}

/// `HOST:PORT`; an IPv6 address stands in brackets.
struct ListenAddress: ExpressibleByArgument {
    let host: String
    let port: Int

    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    init?(argument: String) {
        guard let colon = argument.lastIndex(of: ":"),
            let port = UInt16(argument[argument.index(after: colon)...])
        else { return nil }
        var host = String(argument[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty else { return nil }
        self.init(host: host, port: Int(port))
    }

    var defaultValueDescription: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// How much is logged.
struct LogLevel: ExpressibleByArgument {
    let level: Logger.Level

    init(level: Logger.Level) { self.level = level }

    init?(argument: String) {
        guard let level = Logger.Level(rawValue: argument) else { return nil }
        self.level = level
    }

    var defaultValueDescription: String { level.rawValue }
    static var allValueStrings: [String] { Logger.Level.allCases.map(\.rawValue) }
}
