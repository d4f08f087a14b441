import Configuration
import Foundation
import Synchronization
import VaultCore

/// Merges flags, environment, file and defaults, and remembers where each value came from.
struct SettingsReader {
    private let reader: ConfigReader
    private let origins = Origins()
    private let file: String?

    /// - Parameters:
    ///   - flags: what was given on the command line.
    ///   - file: the path of a ``SettingsFile``.
    init(
        flags: [Setting: SettingValue], environment: [String: String], file: String?,
        defaults: [Setting: SettingValue]
    ) throws {
        self.file = file
        let fromFile = try file.map { try SettingsFile(at: $0).values } ?? [:]
        // An empty variable counts as not set.
        let variables = Setting.allCases.compactMap { setting in
            environment[setting.variable].flatMap { $0.isEmpty ? nil : (setting.encodedName, $0) }
        }
        let secrets = Set(Setting.allCases.filter(\.leadsToSecret).map(\.encodedName))
        reader = ConfigReader(
            providers: [
                Self.provider(.flag, flags),
                EnvironmentVariablesProvider(
                    environmentVariables: Dictionary(uniqueKeysWithValues: variables),
                    secretsSpecifier: .specific(secrets)),
                Self.provider(.file, fromFile), Self.provider(.standard, defaults),
            ], accessReporter: origins)
    }

    /// The value, nil where nothing sets it and there is no default.
    func text(_ setting: Setting) throws -> String? {
        try value(setting) { try reader.requiredString(forKey: $0, isSecret: setting.leadsToSecret) }
    }

    func integer(_ setting: Setting) throws -> Int? {
        try value(setting) { try reader.requiredInt(forKey: $0) }
    }

    func truth(_ setting: Setting) throws -> Bool? {
        try value(setting) { try reader.requiredBool(forKey: $0) }
    }

    func list(_ setting: Setting) throws -> [String]? {
        try value(setting) { try reader.requiredStringArray(forKey: $0) }
    }

    /// Where the value last asked for came from; nil: it is not set.
    func source(_ setting: Setting) -> SettingSource? { origins.source(setting) }

    /// What to say of a value that will not do.
    func refusal(_ setting: Setting, _ message: String) -> VaultError {
        let place =
            switch source(setting) {
            case .environment: "Check the environment variable \(setting.variable)."
            case .file: "Check '\(setting.rawValue)' in \(file ?? "the settings")."
            default: "Check --\(setting.rawValue)."
            }
        return VaultError(.invalidInput, message, remedy: place)
    }

    private func value<Value>(_ setting: Setting, _ read: (ConfigKey) throws -> Value) throws -> Value? {
        do { return try read(ConfigKey([setting.rawValue])) } catch {
            // Set, and yet no value: it is not of its kind.
            guard source(setting) != nil else { return nil }
            throw refusal(setting, "'\(setting.rawValue)' must be \(setting.kind.rawValue).")
        }
    }

    private static func provider(_ source: SettingSource, _ values: [Setting: SettingValue])
        -> InMemoryProvider
    {
        let pairs = values.map { setting, value in
            let content: ConfigContent =
                switch value {
                case .truth(let truth): .bool(truth)
                case .integer(let integer): .int(integer)
                case .text(let text): .string(text)
                case .list(let list): .stringArray(list)
                }
            return (
                AbsoluteConfigKey([setting.rawValue]),
                ConfigValue(content, isSecret: setting.leadsToSecret)
            )
        }
        return InMemoryProvider(
            name: source.rawValue, values: Dictionary(uniqueKeysWithValues: pairs))
    }
}

/// Listens to what the reader found where: providers are asked in the order of ``SettingSource``, up to the first
/// that knows the key.
private final class Origins: AccessReporter {
    private let sources = Mutex<[String: SettingSource]>([:])

    func source(_ setting: Setting) -> SettingSource? { sources.withLock { $0[setting.rawValue] } }

    func report(_ event: AccessEvent) {
        guard let last = event.providerResults.last else { return }
        let isFound =
            switch last.result {
            case .success(let found): found.value != nil
            case .failure: true
            }
        let source = SettingSource.allCases[event.providerResults.count - 1]
        sources.withLock { $0[event.metadata.key.components.last ?? ""] = isFound ? source : nil }
    }
}
