import ArgumentParser
import IssuerHTTP
import TokenIssuer

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
        name: .customLong("tls-certificate"),
        help: ArgumentHelp(
            "Serve with TLS: the certificate chain (PEM). SIGHUP reads it and the key again.",
            valueName: "file"),
        completion: .file())
    var tlsCertificate: String?

    @Option(
        name: .customLong("tls-key"),
        help: ArgumentHelp("The private key of the certificate (PEM).", valueName: "file"),
        completion: .file())
    var tlsKey: String?

    @Option(
        name: .customLong("admin-listen"),
        help: ArgumentHelp(
            "Serve /metrics and /health there too; off by default.", valueName: "host:port"))
    var adminListen: ListenAddress?

    @Option(
        name: .customLong("max-connections"),
        help: ArgumentHelp("Connections beyond it wait. (default: 2048)", valueName: "number"))
    var maximumConnections: Int?

    @Flag(
        name: .customLong("trusted-proxy"), inversion: .prefixedNo,
        help: """
            Count failures by the last address in X-Forwarded-For or Forwarded: only behind a proxy that writes \
            one of them itself.
            """
    )
    var trustedProxy: Bool?

    @Flag(
        name: .customLong("legacy-get"), inversion: .prefixedNo,
        help:
            "Take token requests by GET too, their secrets in the URL: only while old clients need it."
    )
    var legacyGet: Bool?

    @Option(
        name: .customLong("ready-file"),
        help: ArgumentHelp("Gets the base URL, one line, once requests are taken.", valueName: "path"),
        completion: .file())
    var readyFile: String?

    @Option(
        name: .customLong("log-level"),
        help: "trace, debug, info, notice, warning, error or critical. (default: info)")
    var logLevel: LogLevel?

    @Option(name: .customLong("log-format"), help: "text, or json for one object a line. (default: text)")
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
    var values: [Setting: SettingValue] {
        let values: [Setting: SettingValue?] = [
            .listen: listen.map { .text($0.defaultValueDescription) },
            .issuer: issuer.map { .text($0) },
            .profile: profile.map { .text($0) },
            .tlsCertificate: tlsCertificate.map { .text($0) },
            .tlsKey: tlsKey.map { .text($0) },
            .adminListen: adminListen.map { .text($0.defaultValueDescription) },
            .maximumConnections: maximumConnections.map { .integer($0) },
            .trustedProxy: trustedProxy.map { .truth($0) },
            .legacyGet: legacyGet.map { .truth($0) },
            .readyFile: readyFile.map { .text($0) },
            .logLevel: logLevel.map { .text($0.defaultValueDescription) },
            .logFormat: logFormat.map { .text($0.rawValue) },
        ]
        return values.compactMapValues { $0 }
    }
}
