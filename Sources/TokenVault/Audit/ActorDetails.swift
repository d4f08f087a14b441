import Foundation

/// Who acts for the operator: kept in the log as personal data, sealed under the system's key.
///
/// ```swift
/// var configuration = VaultConfiguration()
/// configuration.actor = ActorDetails(.program, name: "billing")
/// ```
public struct ActorDetails: Codable, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: String, Codable, Sendable {
        case person
        /// An administrator's token.
        case token
        case program
    }

    public let kind: Kind
    /// Name of the program or the token.
    public let name: String
    /// What the kernel says of the process: its user, and the user who logged in.
    public let uid: UInt32?
    public let loginUID: UInt32?
    /// What the environment says, which the caller may have chosen.
    public let claimed: String?

    private enum CodingKeys: String, CodingKey {
        case kind, name, uid, claimed
        case loginUID = "login_uid"
    }

    /// - Parameters:
    ///   - name: shortened to 128 characters, as is `claimed`; what is not printable ASCII becomes `?`.
    public init(
        _ kind: Kind, name: String, uid: UInt32? = nil, loginUID: UInt32? = nil, claimed: String? = nil
    ) {
        self.kind = kind
        self.name = Self.plain(name)
        self.uid = uid
        self.loginUID = loginUID
        self.claimed = claimed.map(Self.plain)
    }

    /// At most 512 bytes of JSON, whatever the texts are.
    package func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(self))
    }

    package init?(_ bytes: some Sequence<UInt8>) {
        guard let value = try? JSONDecoder().decode(Self.self, from: Data(bytes)) else { return nil }
        self = value
    }

    public var description: String {
        var text = name
        if let uid { text += ", user \(uid)" }
        if let loginUID { text += ", logged in as user \(loginUID)" }
        if let claimed { text += ", claims to act for \(claimed)" }
        return text
    }

    private static func plain(_ text: String) -> String {
        String(
            decoding: text.utf8.prefix(128).map { AuditLeaf.isPlain($0) ? $0 : UInt8(ascii: "?") },
            as: UTF8.self)
    }
}
