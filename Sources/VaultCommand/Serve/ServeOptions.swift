import ArgumentParser
import Logging
import TokenVault

/// The flags of `serve`; what is not given comes from the environment, the file, or a default.
struct ServeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Address and port, as 127.0.0.1:8080; port 0 takes a free one. (default: 127.0.0.1:8080)",
            valueName: "host:port"))
    var listen: ListenAddress?
    @Option(help: "URL by which clients know the issuer. (default: the URL served, on loopback)")
    var issuer: String?
    @Option(
        name: .customLong("insecure-http"),
        help: ArgumentHelp(
            "Accept http in the issuer's URL for this host of a private network: all can be read on the way.",
            valueName: "host"))
    var insecureHost: String?
    @Option(help: "standard, or quantimodo to accept clients of that API too. (default: standard)")
    var profile: String?
    @Option(
        help: ArgumentHelp(
            "Serve with TLS: the certificate chain (PEM). SIGHUP reloads it and the key.", valueName: "file"),
        completion: .file())
    var tlsCertificate: String?
    @Option(
        help: ArgumentHelp("The private key of the certificate (PEM).", valueName: "file"),
        completion: .file())
    var tlsKey: String?
    @Option(
        help: ArgumentHelp(
            "Serve /metrics and /health at this address too. (default: off)", valueName: "host:port"))
    var adminListen: ListenAddress?
    @Option(
        name: .customLong("max-connections"),
        help: ArgumentHelp(
            "Maximum number of connections; further ones wait. (default: 2048)", valueName: "number"))
    var maximumConnections: Int?
    @Option(
        help: ArgumentHelp(
            "Close a connection that is silent for this long between requests. (default: 60s)",
            valueName: "duration"))
    var idleTimeout: DurationArgument?
    @Option(
        help: ArgumentHelp(
            "Prune older log entries once an anchor or export covers them: 30d or more, or forever. (default: 400d)",
            valueName: "duration"))
    var keepLog: String?
    @Option(
        help: ArgumentHelp(
            "Also prune the oldest entries beyond this size, as 10GB, but none younger than 30 days. (default: any size)",
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
        help: "Accept token requests by GET too, with secrets in the URL: only while old clients need it.")
    var legacyGet: Bool?
    @Flag(
        name: .customLong("client-documents"), inversion: .prefixedNo,
        help: """
            Fetch what clients publish over https (jwks_uri, and metadata where a client_id is a URL), in a \
            process of its own.
            """)
    var clientDocuments: Bool?
    @Option(
        name: .customLong("inner-jwks-hosts"),
        help: ArgumentHelp(
            "Hosts of a private network that a jwks_uri may name, separated by commas. (default: none)",
            valueName: "hosts"))
    var innerKeySetHosts: String?
    @Option(
        help: ArgumentHelp(
            "open: clients register themselves (RFC 7591), and users decide; or off. (default: open)",
            valueName: "open|off"))
    var registration: String?
    @Option(
        help: ArgumentHelp(
            "Scope that clients may request that registered themselves. (default: that of public native clients)",
            valueName: "scope"))
    var registrationScope: String?
    @Option(
        help: ArgumentHelp("Register only clients that present the token in this file.", valueName: "file"),
        completion: .file())
    var registrationTokenFile: String?
    @Option(
        help: ArgumentHelp(
            "Let a program in front sign users in and hand them over at this Unix socket, instead of passwords. (default: off)",
            valueName: "path"),
        completion: .file())
    var frontSocket: String?
    @Option(
        help: ArgumentHelp(
            "The user that this program runs as, by name or number: connections of others are closed.",
            valueName: "user"))
    var frontUser: String?
    @Option(
        help: ArgumentHelp("Write the base URL to this file once requests are accepted.", valueName: "path"),
        completion: .file())
    var readyFile: String?
    @Option(help: "Hold only the keys of this role; issuer is enough to serve. (default: everything)")
    var role: VaultRoles?
    @Option(help: "Log entries of this level and above. (default: info)")
    var logLevel: Logger.Level?
    @Option(help: "Format of the log; json is one object a line. (default: text)")
    var logFormat: LogFormat?
    @Option(
        help: ArgumentHelp(
            "JSON file with settings named as these flags (TOKENVAULT_CONFIG).", valueName: "file"),
        completion: .file())
    var config: String?
    @Flag(name: .customLong("check-config"), help: "Show each setting and its source, check them, and end.")
    var checksOnly = false

    var values: [Setting: String] {
        let values: [Setting: String?] = [
            .listen: listen?.defaultValueDescription, .issuer: issuer, .insecureHost: insecureHost,
            .profile: profile,
            .tlsCertificate: tlsCertificate, .tlsKey: tlsKey,
            .adminListen: adminListen?.defaultValueDescription,
            .maximumConnections: maximumConnections.map { "\($0)" },
            .idleTimeout: idleTimeout?.defaultValueDescription,
            .keepLog: keepLog, .keepLogSize: keepLogSize,
            .trustedProxy: trustedProxy.map { "\($0)" }, .legacyGet: legacyGet.map { "\($0)" },
            .clientDocuments: clientDocuments.map { "\($0)" }, .innerKeySetHosts: innerKeySetHosts,
            .registration: registration, .registrationScope: registrationScope,
            .registrationTokenFile: registrationTokenFile, .frontSocket: frontSocket, .frontUser: frontUser,
            .readyFile: readyFile, .role: role?.rawValue,
            .logLevel: logLevel?.rawValue,
            .logFormat: logFormat?.rawValue,
        ]
        return values.compactMapValues { $0 }
    }
}
