import Foundation
import IssuerHTTP
import Logging
import TokenIssuer
import TokenVault
import VaultAudit
import VaultCore

/// What `serve` works by, once flags, environment, file and defaults have been heard and checked.
struct ServeSettings {
    let server: IssuerServerConfiguration
    let logLevel: Logger.Level
    let logFormat: LogFormat
    let readyFile: String?
    /// Whether what clients publish is fetched.
    let fetchesDocuments: Bool
    /// Hosts inside, where a `jwks_uri` may lie.
    let innerHosts: Set<String>
    /// What the vault is opened for.
    let roles: VaultRoles
    let location: VaultArguments
    /// Every setting that has a value, for `--check-config`.
    let effective: [Shown]
    /// Variables of the environment that are named as settings are and yet are none: misspelt, most likely.
    let unknownVariables: [String]

    private static let defaults: [Setting: String] = [
        .listen: "127.0.0.1:8080", .profile: "standard", .logLevel: "info", .logFormat: "text",
        .maximumConnections: "2048", .idleTimeout: "60s", .keepLog: "400d", .trustedProxy: "false",
        .legacyGet: "false", .clientDocuments: "false", .registration: "open",
        .role: VaultRoles.everything.rawValue,
    ]

    init(
        _ options: ServeOptions, _ location: VaultArguments,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws {
        var flags = options.values
        flags[.vault] = location.vaultPath
        for option in KeyOption.allCases {
            guard let setting = option.setting, let text = option.text else { continue }
            flags[setting] = location.key[keyPath: text]
        }
        let file = options.config ?? environment["TOKENVAULT_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
        let reader = try SettingsReader(
            flags: flags, environment: environment, file: file, defaults: Self.defaults)
        server = try Self.server(reader)
        let levels = "is trace, debug, info, notice, warning, error or critical"
        logLevel = try reader.value(of: .logLevel, levels) { Logger.Level(rawValue: $0) }
        logFormat = try reader.value(of: .logFormat, "is text or json") { LogFormat(rawValue: $0) }
        readyFile = reader.text(.readyFile)
        fetchesDocuments = try reader.truth(.clientDocuments)
        innerHosts =
            reader.text(.innerKeySetHosts) == nil
            ? []
            : try reader.value(of: .innerKeySetHosts, "is host names in lower case, separated by commas") {
                let hosts = $0.split(separator: ",", omittingEmptySubsequences: false)
                return hosts.allSatisfy { DocumentURL.isHost($0.utf8) } ? Set(hosts.map(String.init)) : nil
            }
        roles = try reader.value(of: .role, "is everything or issuer") {
            VaultRoles(rawValue: $0).flatMap { [.everything, .issuer].contains($0) ? $0 : nil }
        }
        self.location = try Self.location(location, reader)
        let known = Set(
            Setting.allCases.map(\.variable)
                + ["TOKENVAULT_CONFIG", "TOKENVAULT_KEY_EXEC_SETTINGS"])
        unknownVariables = environment.keys.filter { $0.hasPrefix("TOKENVAULT_") && !known.contains($0) }
            .sorted()
        effective = try Setting.allCases.compactMap { try Self.shown($0, reader) }
    }

    private static func server(_ reader: SettingsReader) throws -> IssuerServerConfiguration {
        let listen = try reader.value(of: .listen, "is HOST:PORT") { ListenAddress(argument: $0) }
        let names = IssuerProfile.all.map(\.name).joined(separator: ", ")
        var profile = try reader.value(of: .profile, "is one of: \(names)") { IssuerProfile(named: $0) }
        profile.acceptsLegacyGet = try reader.truth(.legacyGet)
        var server = IssuerServerConfiguration(
            host: listen.host, port: listen.port, issuer: reader.text(.issuer), profile: profile)
        if reader.text(.adminListen) != nil {
            let admin = try reader.value(of: .adminListen, "is HOST:PORT") { ListenAddress(argument: $0) }
            server.admin = IssuerServer.Address(host: admin.host, port: admin.port)
        }
        server.maximumConnections = try reader.integer(.maximumConnections)
        guard (1...1_000_000).contains(server.maximumConnections) else {
            throw reader.refusal(.maximumConnections, "'max-connections' is 1 to 1000000.")
        }
        server.idleTimeout = try reader.value(of: .idleTimeout, "is 1s to 1h, as 60s or 5m") {
            DurationArgument(argument: $0).flatMap {
                (.seconds(1)...Duration.seconds(3600)).contains($0.duration) ? $0.duration : nil
            }
        }
        server.logRetention = try logRetention(reader)
        server.requests.trustsForwardedFor = try reader.truth(.trustedProxy)
        server.tls = try certificate(reader)
        server.insecureHost = reader.text(.insecureHost)
        server.registration = try registration(reader)
        server.front = try front(reader)
        try server.check()
        return server
    }

    private static func logRetention(_ reader: SettingsReader) throws -> LogRetention {
        let age = try reader.value(of: .keepLog, "is 30d or more, as 400d, or forever") { text in
            if text == "forever" { return LogRetention.everything }
            return DurationArgument(argument: text).flatMap { try? LogRetention(age: $0.duration) }
        }
        guard reader.text(.keepLogSize) != nil else { return age }
        return try reader.value(of: .keepLogSize, "is a number of MB, GB or TB, as 10GB") { text in
            let units: [String: Int64] = ["MB": 1_000_000, "GB": 1_000_000_000, "TB": 1_000_000_000_000]
            let digits = text.dropLast(2)
            guard let unit = units[String(text.suffix(2))], (1...6).contains(digits.count),
                digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let count = Int64(digits)
            else { return nil }
            return try? LogRetention(age: age.age, size: count * unit)
        }
    }

    private static func registration(_ reader: SettingsReader) throws -> SelfRegistration? {
        let isOpen = try reader.value(of: .registration, "is open or off") {
            ["open": true, "off": false][$0]
        }
        guard try isOpen || reader.truth(.clientDocuments) else { return nil }
        var registration = SelfRegistration()
        registration.takesRequests = isOpen
        if reader.text(.registrationScope) != nil {
            registration.scope = try reader.value(of: .registrationScope, "is names with spaces between") {
                ScopeSet(tidying: $0).flatMap { $0.isEmpty ? nil : $0 }
            }
        }
        if let path = reader.text(.registrationTokenFile) {
            let token = try SecretReader.registrationToken.read(file: path)
            guard token.withExposed(\.count) >= SelfRegistration.shortestToken else {
                throw VaultError(
                    .invalidInput,
                    "The registration token is shorter than \(SelfRegistration.shortestToken) bytes.",
                    remedy: "Write a random one into the file, as of: openssl rand -hex 32")
            }
            registration.initialAccessToken = token
        }
        return registration
    }

    private static func front(_ reader: SettingsReader) throws -> TrustedFront? {
        switch (reader.text(.frontSocket), reader.text(.frontUser)) {
        case (nil, nil): return nil
        case (let socket?, .some):
            let user = try reader.value(of: .frontUser, "is a user of this machine, by name or number") {
                text in
                UInt32(text) ?? getpwnam(text)?.pointee.pw_uid
            }
            return TrustedFront(socket: socket, user: user)
        default:
            throw VaultError(
                .invalidInput, "The front's socket and its user go together.",
                remedy: "Give both --front-socket and --front-user, or neither.")
        }
    }

    private static func certificate(_ reader: SettingsReader) throws -> ServerCertificate? {
        switch (reader.text(.tlsCertificate), reader.text(.tlsKey)) {
        case (nil, nil): return nil
        case (let certificate?, let key?):
            return try ServerCertificate(certificateFile: certificate, keyFile: key)
        default:
            throw VaultError(
                .invalidInput, "A certificate and its key go together.",
                remedy: "Give both --tls-certificate and --tls-key, or neither.")
        }
    }

    /// The vault, and the key that the most preferred source names: one key opens the vault.
    private static func location(_ given: VaultArguments, _ reader: SettingsReader) throws -> VaultArguments {
        var location = given
        location.vaultPath = reader.text(.vault)
        // Checked by the parser; these cannot come from anywhere else.
        guard given.key.given.allSatisfy({ $0.setting != nil }) else { return location }
        let named = KeyOption.allCases.compactMap { option -> (KeyOption, String, SettingSource)? in
            guard let setting = option.setting, let value = reader.text(setting),
                let source = reader.source(setting)
            else { return nil }
            return (option, value, source)
        }
        for source in SettingSource.allCases {
            let here = named.filter { $0.2 == source }
            guard let (option, value, _) = here.first, let setting = option.setting else { continue }
            guard here.count == 1 else {
                throw reader.refusal(setting, "One key opens the vault, and several are named.")
            }
            for other in KeyOption.allCases {
                if let text = other.text { location.key[keyPath: text] = other == option ? value : nil }
            }
            break
        }
        return location
    }

    /// `{"setting":"listen","source":"default","value":"127.0.0.1:8080"}`; nil when nothing sets it.
    private static func shown(_ setting: Setting, _ reader: SettingsReader) throws -> Shown? {
        guard let text = reader.text(setting), let source = reader.source(setting)?.rawValue else {
            return nil
        }
        let value =
            switch setting.kind {
            case .text: text
            case .integer: "\(try reader.integer(setting))"
            case .truth: "\(try reader.truth(setting))"
            }
        return Shown(
            [.json("setting", setting.rawValue), .json("source", source), .json("value", value)],
            cells: [setting.rawValue, value, source])
    }
}
