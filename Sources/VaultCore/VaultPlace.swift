/// Where a vault is.
///
/// ```swift
/// let vault = try await Vault.open(at: .postgres(service: "tokenvault"), unlockedBy: source)
/// ```
public enum VaultPlace: Sendable, Hashable {
    /// A database file on a disk of this machine, by its path.
    case file(_ path: String)
    /// A PostgreSQL database, by the name of a libpq service: what connects to it is in a service file of the machine
    /// (`pg_service.conf`), and its password, if there is one, in a password file.
    case postgres(service: String)

    private static let postgresPrefix = "postgres:"

    /// Reads `postgres:NAME` as the database of a libpq service, and anything else as a path.
    ///
    /// - Throws: ``VaultError/Code/invalidInput`` for a URI or connection parameters, which may hold a password; the error
    ///   repeats nothing of them.
    public init(parsing text: String) throws(VaultError) {
        if text.hasPrefix("postgresql:") || text.hasPrefix("postgres:/") { throw Self.noURI }
        guard text.hasPrefix(Self.postgresPrefix) else {
            self = .file(text)
            return
        }
        let name = String(text.dropFirst(Self.postgresPrefix.count))
        guard Self.isServiceName(name) else { throw Self.noURI }
        self = .postgres(service: name)
    }

    package static func isServiceName(_ name: String) -> Bool {
        name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "-"):
                true
            default: false
            }
        } && (1...64).contains(name.utf8.count)
    }

    private static let noURI = VaultError(
        .invalidInput,
        "A vault in PostgreSQL is named by a libpq service: postgres:NAME, of letters, digits, '.', '_' and '-'.",
        remedy:
            "Write host, database and user into a service file under a name, and a password into a password file."
    )
}

extension VaultPlace: CustomStringConvertible {
    /// As ``init(parsing:)`` reads it.
    public var description: String {
        switch self {
        case .file(let path): path
        case .postgres(let service): Self.postgresPrefix + service
        }
    }
}
