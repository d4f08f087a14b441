import Foundation
public import TokenVault
import VaultCore
import VaultStore

/// A scope that the operator declared, and what it allows, in the words of the consent page.
public struct DeclaredScope: Sendable, Equatable {
    public let name: String
    public let text: String
}

extension Vault {
    /// The scopes that the operator declared.
    public var scopes: VaultScopes { VaultScopes(vault: self) }
}

/// Declares what the names in scopes allow. The issuer's consent page says it in these words, and its metadata name them
/// beside those that clients are registered for.
///
/// ```swift
/// try await vault.scopes.add("mcp.read", text: "Read your notes")
/// ```
public struct VaultScopes: Sendable {
    let vault: Vault

    /// Declares a scope, or gives one that is declared another text.
    ///
    /// - Throws: ``VaultError/Code/invalidInput`` for what is no name of a scope (RFC 6749 section 3.3), is longer than
    ///   128 bytes, or for a text that is not 1 to 256 bytes on one line; ``VaultError/Code/denied`` at 128 scopes.
    public func add(_ name: String, text: String) async throws {
        guard (1...128).contains(name.utf8.count), ScopeSet(parsing: name)?.names == [name] else {
            throw VaultError(
                .invalidInput,
                "The name of a scope has 1 to 128 printable ASCII characters, without spaces, quotation marks and backslashes."
            )
        }
        guard UserClaims.isLine(text) else {
            throw VaultError(
                .invalidInput,
                "The text of a scope has 1 to \(Limits.nameBytes) bytes on one line, and no space at its ends."
            )
        }
        try await change("added") { scopes in
            scopes[name] = text
            guard scopes.count <= Self.most else {
                throw VaultError(
                    .denied, "\(Self.most) scopes are declared already.", remedy: "Remove one first.")
            }
        }
    }

    /// Takes a scope's text back. Clients keep what they are registered for.
    ///
    /// - Throws: ``VaultError/Code/notFound``.
    public func remove(_ name: String) async throws {
        try await change("removed") { scopes in
            guard scopes.removeValue(forKey: name) != nil else {
                throw VaultError(.notFound, "No such scope is declared.", remedy: "List the scopes.")
            }
        }
    }

    /// Lists the scopes that are declared, by name.
    public func list() async throws -> [DeclaredScope] {
        try await texts().sorted { $0.key < $1.key }.map { DeclaredScope(name: $0.key, text: $0.value) }
    }

    /// By name; kept while the registry stays as it is.
    package func texts() async throws -> [String: String] {
        let known = vault.companion(KnownOfRegistry<[String: String]>())
        return try await vault.snapshot { [registry = vault.registry] database, keys in
            let revision = try keys.checkedRevision(database)
            if let texts = known.value(revision) { return texts }
            let owner = try registry.owner(.system, database, keys.keyring, revision: revision)
            let texts = try owner?.declaredScopes(keys.keyring) ?? [:]
            known.keep(texts, revision)
            return texts
        }
    }

    /// A page of the consent question, and a row: both hold many more.
    private static let most = 128

    private func change(
        _ reason: String, _ change: @escaping @Sendable (inout [String: String]) throws -> Void
    ) async throws {
        try await vault.write { [operatorActor = vault.operatorActor] transaction in
            let keyring = transaction.keyring
            guard let system = try transaction.owner(.system),
                let row = try transaction.load(OwnerRow.self, OwnerID.system.rawValue)?.row
            else { throw Vault.noUser }
            let old = try system.declaredScopes(keyring)
            var scopes = old
            try change(&scopes)
            guard scopes != old else { return .unchanged(()) }
            let bytes = scopes.isEmpty ? nil : Array(try JSONEncoder().encode(SystemClaims(scopes: scopes)))
            try transaction.update(system.row(row, telling: bytes, keyring))
            return Audited((), AuditEvent(.scopeChange, by: operatorActor, reason: reason))
        }
    }
}

/// What is told of the vault itself: in the column that has what is told of a user, in the system's row.
private struct SystemClaims: Codable {
    var scopes: [String: String]
}

extension Owner {
    fileprivate func declaredScopes(_ keyring: Keyring) throws -> [String: String] {
        try claims(keyring).map { try JSONDecoder().decode(SystemClaims.self, from: Data($0)).scopes } ?? [:]
    }
}

extension AuditOperation {
    fileprivate static let scopeChange = AuditOperation(rawValue: "scope.change")
}
