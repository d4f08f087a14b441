/// What can be set of `serve`: by flag, by environment, in the file, in this order of preference. The raw
/// value is the name of the flag and the member of the file.
enum Setting: String, CaseIterable {
    case listen
    case issuer
    case profile
    case tlsCertificate = "tls-certificate"
    case tlsKey = "tls-key"
    case adminListen = "admin-listen"
    case maximumConnections = "max-connections"
    case trustedProxy = "trusted-proxy"
    case legacyGet = "legacy-get"
    case logLevel = "log-level"
    case logFormat = "log-format"
    case readyFile = "ready-file"
    case vault
    case keyFile = "key-file"
    case passphraseFile = "passphrase-file"
    case credential
    case keyProgram = "key-exec"

    /// The values a setting takes.
    enum Kind: String {
        case text = "a string"
        case integer = "a whole number"
        case list = "a list of strings"
        case truth = "true or false"
    }

    var kind: Kind {
        switch self {
        case .maximumConnections: .integer
        case .trustedProxy, .legacyGet: .truth
        default: .text
        }
    }

    /// The variable of the environment; the vault's has been called so from the beginning.
    var variable: String {
        self == .vault ? "TOKENVAULT_PATH" : "TOKENVAULT_" + encodedName
    }

    /// The name by which swift-configuration looks it up in an environment.
    var encodedName: String { rawValue.uppercased().replacing("-", with: "_") }

    /// Leads to a secret: no access log gets to see it. A secret itself is never a setting.
    var leadsToSecret: Bool {
        switch self {
        case .tlsKey, .keyFile, .passphraseFile, .credential: true
        default: false
        }
    }

    /// One of these opens the vault; the most preferred source that names one decides.
    static let keys: [Setting] = [.keyFile, .passphraseFile, .credential, .keyProgram]
}

/// Where a value comes from, the most preferred first.
enum SettingSource: String, CaseIterable {
    case flag
    case environment
    case file
    case standard = "default"
}
