import Foundation
import VaultCore
import VaultCrypto

/// What can be set of `serve`: by flag, by environment, in the file, in this order of preference. The raw
/// value is the name of the flag and the member of the file.
enum Setting: String, CaseIterable {
    case listen
    case issuer
    case insecureHost = "insecure-http"
    case profile
    case tlsCertificate = "tls-certificate"
    case tlsKey = "tls-key"
    case adminListen = "admin-listen"
    case maximumConnections = "max-connections"
    case idleTimeout = "idle-timeout"
    case keepLog = "keep-log"
    case keepLogSize = "keep-log-size"
    case trustedProxy = "trusted-proxy"
    case legacyGet = "legacy-get"
    case clientDocuments = "client-documents"
    case innerKeySetHosts = "inner-jwks-hosts"
    case registration
    case registrationScope = "registration-scope"
    case registrationTokenFile = "registration-token-file"
    case frontSocket = "front-socket"
    case frontUser = "front-user"
    case logLevel = "log-level"
    case logFormat = "log-format"
    case readyFile = "ready-file"
    case role
    case vault
    case keyFile = "key-file"
    case passphraseFile = "passphrase-file"
    case credential
    case keyProgram = "key-exec"

    /// The values a setting takes.
    enum Kind: String {
        case text = "a string"
        case integer = "a whole number"
        case truth = "true or false"
    }

    var kind: Kind {
        switch self {
        case .maximumConnections: .integer
        case .trustedProxy, .legacyGet, .clientDocuments: .truth
        default: .text
        }
    }

    /// The variable of the environment; the vault's has been called so from the beginning.
    var variable: String {
        self == .vault
            ? "TOKENVAULT_PATH" : "TOKENVAULT_" + rawValue.uppercased().replacing("-", with: "_")
    }
}

/// Where a value comes from, the most preferred first.
enum SettingSource: String, CaseIterable {
    case flag
    case environment
    case file
    case standard = "default"
}

/// Merges flags, environment, file and defaults, and knows where each value comes from.
struct SettingsReader {
    private var values: [Setting: (text: String, source: SettingSource)] = [:]
    private let file: String?

    /// - Parameters:
    ///   - flags: what was given on the command line.
    ///   - file: the path of the file of settings.
    init(
        flags: [Setting: String], environment: [String: String], file: String?, defaults: [Setting: String]
    ) throws {
        self.file = file
        let members = try file.map(Self.members) ?? [:]
        for setting in Setting.allCases {
            let sources: [(String?, SettingSource)] = [
                (flags[setting], .flag),
                // An empty variable counts as not set.
                (environment[setting.variable].flatMap { $0.isEmpty ? nil : $0 }, .environment),
                (members[setting], .file), (defaults[setting], .standard),
            ]
            for case (let text?, let source) in sources.reversed() { values[setting] = (text, source) }
        }
    }

    /// The value, nil where nothing sets it and there is no default.
    func text(_ setting: Setting) -> String? { values[setting]?.text }

    func integer(_ setting: Setting) throws -> Int { try value(of: setting) { Int($0) } }

    func truth(_ setting: Setting) throws -> Bool {
        try value(of: setting) { text in
            switch text.lowercased() {
            case "true", "yes", "1": true
            case "false", "no", "0": false
            default: nil
            }
        }
    }

    /// The value of a setting that has one.
    ///
    /// - Parameter form: what is said of a value that `parse` does not take; its kind where it is nil.
    func value<Value>(
        of setting: Setting, _ form: String? = nil, _ parse: (String) -> Value?
    ) throws -> Value {
        guard let value = text(setting).flatMap(parse) else {
            let form = form ?? "must be \(setting.kind.rawValue)"
            throw refusal(setting, "'\(setting.rawValue)' \(form).")
        }
        return value
    }

    /// Where the value comes from; nil: it is not set.
    func source(_ setting: Setting) -> SettingSource? { values[setting]?.source }

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
}

extension SettingsReader {
    /// A page of settings is under a kilobyte.
    private static let limit = 64 * 1024

    /// A member of the file: of which kind it is, and its text as the environment would have it.
    private struct Member: Decodable {
        let kind: Setting.Kind
        let text: String

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let truth = try? value.decode(Bool.self) {
                (kind, text) = (.truth, "\(truth)")
            } else if let integer = try? value.decode(Int.self) {
                (kind, text) = (.integer, "\(integer)")
            } else {
                (kind, text) = (.text, try value.decode(String.self))
            }
        }
    }

    /// Reads the file: a JSON object with the names of the flags as members. What is not known is refused by name: a
    /// misspelt member must not be a silent default.
    private static func members(of path: String) throws -> [Setting: String] {
        let bytes = try SmallFile.read(
            path, limit: limit, closed: .toWritingByAnybody, remedy: "Check --config.")
        let members: [String: Member]
        do {
            members = try JSONDecoder().decode([String: Member].self, from: Data(bytes))
        } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context) {
            guard let name = context.codingPath.first?.stringValue else { throw noObject(path) }
            throw VaultError(
                .invalidInput, "'\(name)' in \(path) is neither text, number, true nor false.",
                remedy: "See docs/operations.md.")
        } catch { throw noObject(path) }
        var texts: [Setting: String] = [:]
        for (name, member) in members.sorted(by: { $0.key < $1.key }) {
            guard let setting = Setting(rawValue: name) else { throw unknown(name, path) }
            guard member.kind == setting.kind else {
                throw VaultError(
                    .invalidInput, "'\(name)' in \(path) must be \(setting.kind.rawValue).",
                    remedy: "See docs/operations.md.")
            }
            texts[setting] = member.text
        }
        // Anyone who names the program can have the key, as anyone who writes the program itself.
        if texts[.keyProgram] != nil {
            try KeyProgram.checkFile(path, called: "file", remedy: "Check --config.")
        }
        return texts
    }

    private static func noObject(_ path: String) -> VaultError {
        VaultError(
            .invalidInput, "\(path) is not a JSON object.",
            remedy: "For example: {\"listen\": \"127.0.0.1:8080\"}")
    }

    private static func unknown(_ name: String, _ path: String) -> VaultError {
        let isSecret = ["passphrase", "password", "secret", "key"].contains { name.lowercased().contains($0) }
        let known = Setting.allCases.map(\.rawValue).joined(separator: ", ")
        return VaultError(
            .invalidInput, "There is no setting '\(name)', as in \(path).",
            remedy: isSecret
                ? "A secret is never a setting: name the file that holds it (key-file, passphrase-file, tls-key)."
                : "Settings: \(known).")
    }
}
