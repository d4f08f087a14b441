import Foundation
import IssuerHTTP
import Logging
import TokenIssuer
import VaultCore

/// What `serve` works by, once flags, environment, file and defaults have been heard and checked.
struct ServeSettings {
    let server: IssuerServer.Configuration
    let logLevel: Logger.Level
    let logFormat: LogFormat
    let readyFile: String?
    let location: VaultArguments
    /// Every setting that has a value, for `--check-config`.
    let effective: [SettingRecord]
    /// Variables of the environment that are named as settings are and yet are none: misspelt, most likely.
    let unknownVariables: [String]

    private static let defaults: [Setting: SettingValue] = [
        .listen: .text("127.0.0.1:8080"), .profile: .text("standard"), .logLevel: .text("info"),
        .logFormat: .text("text"), .maximumConnections: .integer(2048),
        .trustedProxy: .truth(false), .legacyGet: .truth(false),
    ]

    init(
        _ options: ServeOptions, _ location: VaultArguments,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws {
        var flags = options.values
        flags[.vault] = location.vaultPath.map { .text($0) }
        flags[.keyFile] = location.key.keyFile.map { .text($0) }
        flags[.passphraseFile] = location.key.passphraseFile.map { .text($0) }
        flags[.credential] = location.key.credential.map { .text($0) }
        flags[.keyProgram] = location.key.program.map { .text($0) }
        let file = options.config ?? environment["TOKENVAULT_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
        let reader = try SettingsReader(
            flags: flags, environment: environment, file: file, defaults: Self.defaults)
        server = try Self.server(reader)
        logLevel = try Self.parsed(
            .logLevel, reader, "is trace, debug, info, notice, warning, error or critical"
        ) {
            Logger.Level(rawValue: $0)
        }
        logFormat = try Self.parsed(.logFormat, reader, "is text or json") { LogFormat(rawValue: $0) }
        readyFile = try reader.text(.readyFile)
        self.location = try Self.location(location, reader)
        let known = Set(
            Setting.allCases.map(\.variable)
                + ["TOKENVAULT_CONFIG", "TOKENVAULT_KEY_EXEC_SETTINGS"])
        unknownVariables = environment.keys.filter { $0.hasPrefix("TOKENVAULT_") && !known.contains($0) }
            .sorted()
        effective = try Setting.allCases.compactMap { try SettingRecord($0, reader) }
    }

    private static func server(_ reader: SettingsReader) throws -> IssuerServer.Configuration {
        let listen = try parsed(.listen, reader, "is HOST:PORT") { ListenAddress(argument: $0) }
        let names = IssuerProfile.all.map(\.name).joined(separator: ", ")
        var profile = try parsed(.profile, reader, "is one of: \(names)") { IssuerProfile(named: $0) }
        profile.acceptsLegacyGet = try reader.truth(.legacyGet) ?? false
        var server = IssuerServer.Configuration(
            host: listen.host, port: listen.port, issuer: try reader.text(.issuer), profile: profile)
        if let admin = try reader.text(.adminListen) {
            guard let address = ListenAddress(argument: admin) else {
                throw reader.refusal(.adminListen, "'admin-listen' is HOST:PORT.")
            }
            server.admin = IssuerServer.Address(host: address.host, port: address.port)
        }
        guard let connections = try reader.integer(.maximumConnections), (1...1_000_000).contains(connections)
        else { throw reader.refusal(.maximumConnections, "'max-connections' is 1 to 1000000.") }
        server.maximumConnections = connections
        server.limits.trustsForwardedFor = try reader.truth(.trustedProxy) ?? false
        server.tls = try certificate(reader)
        try server.check()
        return server
    }

    private static func certificate(_ reader: SettingsReader) throws -> ServerCertificate? {
        switch (try reader.text(.tlsCertificate), try reader.text(.tlsKey)) {
        case (nil, nil): return nil
        case (let certificate?, let key?):
            return try ServerCertificate(certificateFile: certificate, keyFile: key)
        default:
            throw VaultError(
                .invalidInput, "A certificate and its key go together.",
                remedy: "Give both --tls-certificate and --tls-key, or neither.")
        }
    }

    /// The vault, and the key that the most preferred source names.
    private static func location(_ given: VaultArguments, _ reader: SettingsReader) throws -> VaultArguments {
        var location = given
        location.vaultPath = try reader.text(.vault)
        // Checked by the parser; these cannot come from anywhere else.
        guard !given.key.isBeyondSettings else { return location }
        let named = try Setting.keys.compactMap { key -> (Setting, String, SettingSource)? in
            guard let value = try reader.text(key), let source = reader.source(key) else { return nil }
            return (key, value, source)
        }
        for source in SettingSource.allCases {
            let here = named.filter { $0.2 == source }
            guard let (key, _, _) = here.first else { continue }
            guard here.count == 1 || here.map(\.0) == [.keyFile, .passphraseFile] else {
                throw reader.refusal(key, "One key opens the vault, and several are named.")
            }
            location.key.keyFile = here.first { $0.0 == .keyFile }?.1
            location.key.passphraseFile = here.first { $0.0 == .passphraseFile }?.1
            location.key.credential = here.first { $0.0 == .credential }?.1
            location.key.program = here.first { $0.0 == .keyProgram }?.1
            break
        }
        return location
    }

    private static func parsed<Value>(
        _ setting: Setting, _ reader: SettingsReader, _ form: String, _ parse: (String) -> Value?
    ) throws -> Value {
        guard let text = try reader.text(setting), let value = parse(text) else {
            throw reader.refusal(setting, "'\(setting.rawValue)' \(form).")
        }
        return value
    }
}

/// A setting as printed: `{"setting":"listen","source":"default","value":"127.0.0.1:8080"}`.
struct SettingRecord: ListRecord {
    static let header = ["SETTING", "VALUE", "SOURCE"]

    let setting: String
    let value: String
    let source: String

    /// Nil when nothing sets it.
    init?(_ setting: Setting, _ reader: SettingsReader) throws {
        let value: String? =
            switch setting.kind {
            case .text: try reader.text(setting)
            case .integer: try reader.integer(setting).map { String($0) }
            case .truth: try reader.truth(setting).map { String($0) }
            case .list: try reader.list(setting)?.joined(separator: ", ")
            }
        guard let value, let source = reader.source(setting) else { return nil }
        self.setting = setting.rawValue
        self.value = value
        self.source = source.rawValue
    }

    var cells: [String] { [setting, value, source] }
}
