import ArgumentParser
import Logging
import TokenVault

/// The flags of `serve`; what is not given comes from the environment, the file, or a default.
struct ServeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Address and port; port 0 takes a free one. (default: 127.0.0.1:8080)", valueName: "host:port"))
    var listen: ListenAddress?
    @Option(
        help:
            "The issuer's URL. On a loopback address it defaults to the URL served; elsewhere it is required."
    )
    var issuer: String?
    @Option(help: "standard, or quantimodo to accept clients of that API too. (default: standard)")
    var profile: String?
    @Option(
        help: ArgumentHelp(
            "Serve with TLS: the certificate chain (PEM). SIGHUP reads it and the key again.",
            valueName: "file"), completion: .file())
    var tlsCertificate: String?
    @Option(
        help: ArgumentHelp("The private key of the certificate (PEM).", valueName: "file"),
        completion: .file())
    var tlsKey: String?
    @Option(
        help: ArgumentHelp("Serve /metrics and /health there too; off by default.", valueName: "host:port"))
    var adminListen: ListenAddress?
    @Option(
        name: .customLong("max-connections"),
        help: ArgumentHelp("Connections beyond it wait. (default: 2048)", valueName: "number"))
    var maximumConnections: Int?
    @Option(
        help: ArgumentHelp(
            "Close a connection that is silent for this long between requests. (default: 60s)",
            valueName: "duration"))
    var idleTimeout: DurationArgument?
    @Option(
        help: ArgumentHelp(
            "Prune older entries of the audit log once an anchor or export covers them: 30d or more, or forever. (default: 400d)",
            valueName: "duration"))
    var keepLog: String?
    @Option(
        help: ArgumentHelp(
            "Prune the oldest entries beyond this many MB, GB or TB too, but none younger than 30 days. (default: any size)",
            valueName: "size"))
    var keepLogSize: String?
    @Flag(
        name: .customLong("trusted-proxy"), inversion: .prefixedNo,
        help: """
            Count failures by the last address in X-Forwarded-For or Forwarded: only behind a proxy that sets \
            one of them and removes the other.
            """
    )
    var trustedProxy: Bool?
    @Flag(
        inversion: .prefixedNo,
        help: "Take token requests by GET too, their secrets in the URL: only while old clients need it.")
    var legacyGet: Bool?
    @Option(
        help: ArgumentHelp("Gets the base URL, one line, once requests are taken.", valueName: "path"),
        completion: .file())
    var readyFile: String?
    @Option(help: "everything, or issuer: hold only the keys that serving needs. (default: everything)")
    var role: VaultRoles?
    @Option(help: "trace, debug, info, notice, warning, error or critical. (default: info)")
    var logLevel: Logger.Level?
    @Option(help: "text, or json for one object a line. (default: text)")
    var logFormat: LogFormat?
    @Option(
        help: ArgumentHelp(
            "Settings from a JSON file whose members are named as these flags (TOKENVAULT_CONFIG).",
            valueName: "file"), completion: .file())
    var config: String?
    @Flag(
        name: .customLong("check-config"),
        help: "Show what is set, and by what, check it, and end without serving.")
    var checksOnly = false

    /// What was given.
    var values: [Setting: String] {
        let values: [Setting: String?] = [
            .listen: listen?.defaultValueDescription, .issuer: issuer, .profile: profile,
            .tlsCertificate: tlsCertificate, .tlsKey: tlsKey,
            .adminListen: adminListen?.defaultValueDescription,
            .maximumConnections: maximumConnections.map { "\($0)" },
            .idleTimeout: idleTimeout?.defaultValueDescription,
            .keepLog: keepLog, .keepLogSize: keepLogSize,
            .trustedProxy: trustedProxy.map { "\($0)" }, .legacyGet: legacyGet.map { "\($0)" },
            .readyFile: readyFile, .role: role?.rawValue, .logLevel: logLevel?.rawValue,
            .logFormat: logFormat?.rawValue,
        ]
        return values.compactMapValues { $0 }
    }
}
