import Foundation
import VaultCore
import VaultCrypto

/// The file of settings: a JSON object with the names of the flags as members. What is not known is refused
/// by name: a misspelt member must not be a silent default.
struct SettingsFile {
    let values: [Setting: SettingValue]

    init(at path: String) throws {
        let bytes = try SmallFile.read(
            path, limit: Self.limit, closed: .toWritingByAnybody, remedy: "Check --config.")
        let members: [String: SettingValue]
        do {
            members = try JSONDecoder().decode([String: SettingValue].self, from: Data(bytes))
        } catch let error as DecodingError {
            guard let name = error.member else { throw Self.noObject(path) }
            throw VaultError(
                .invalidInput,
                "'\(name)' in \(path) is neither text, number, true, false, nor a list of texts.",
                remedy: "See docs/operations.md.")
        } catch { throw Self.noObject(path) }
        var values: [Setting: SettingValue] = [:]
        for (name, value) in members.sorted(by: { $0.key < $1.key }) {
            guard let setting = Setting(rawValue: name) else { throw Self.unknown(name, path) }
            guard value.kind == setting.kind else {
                throw VaultError(
                    .invalidInput, "'\(name)' in \(path) must be \(setting.kind.rawValue).",
                    remedy: "See docs/operations.md.")
            }
            values[setting] = value
        }
        // Whoever names the program can have the key, as whoever writes the program itself.
        if values[.keyProgram] != nil {
            try KeyProgram.checkFile(path, called: "file", remedy: "Check --config.")
        }
        self.values = values
    }

    private static func noObject(_ path: String) -> VaultError {
        VaultError(
            .invalidInput, "\(path) is no JSON object.", remedy: "As in: {\"listen\": \"127.0.0.1:8080\"}")
    }

    private static func unknown(_ name: String, _ path: String) -> VaultError {
        let isSecret = ["passphrase", "password", "secret", "key"].contains { name.lowercased().contains($0) }
        let known = Setting.allCases.map(\.rawValue).joined(separator: ", ")
        return VaultError(
            .invalidInput, "There is no setting '\(name)', as in \(path).",
            remedy: isSecret
                ? "A secret is never a setting: name the file that holds it (key-file, passphrase-file, tls-key)."
                : "There are: \(known).")
    }

    /// A page of settings is under a kilobyte.
    private static let limit = 64 * 1024
}

extension DecodingError {
    /// The member of the outermost object that will not do.
    fileprivate var member: String? {
        switch self {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
            .dataCorrupted(let context):
            context.codingPath.first?.stringValue
        @unknown default: nil
        }
    }
}

/// A value as the file has it.
enum SettingValue: Decodable, Equatable {
    case truth(Bool)
    case integer(Int)
    case text(String)
    case list([String])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if let truth = try? value.decode(Bool.self) {
            self = .truth(truth)
        } else if let integer = try? value.decode(Int.self) {
            self = .integer(integer)
        } else if let text = try? value.decode(String.self) {
            self = .text(text)
        } else {
            self = .list(try value.decode([String].self))
        }
    }

    var kind: Setting.Kind {
        switch self {
        case .truth: .truth
        case .integer: .integer
        case .text: .text
        case .list: .list
        }
    }

}
