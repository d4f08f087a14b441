import Foundation
import TokenRotation
package import VaultCore
import VaultCrypto
import VaultStore

/// What an exchange will give if nothing changes before it runs: enough to sign an id_token off the writer.
/// Nothing of it is stored or shown yet. ``Vault/exchange(_:prepared:)`` gives exactly this, or nothing.
package struct PreparedExchange: Sendable {
    package let grant: GrantID
    /// That the grant will have.
    package let generation: UInt32
    package let client: OwnerID
    package let owner: OwnerID
    package let kind: GrantKind
    /// Scope of the access token.
    package let scope: ScopeSet
    /// What was bound to the grant when it was authorized: the nonce, the time of authentication.
    package let context: GrantContext
    package let accessToken: SecretBytes
    /// The exchange was made before and its answer is given again.
    package let isReplay: Bool
    let handle: TokenHandle
    let pair: PreparedPair

    /// Whether the exchange that is about to happen is the one that was prepared.
    ///
    /// - Throws: ``VaultError/Code/busy``: another request was faster; nothing was changed.
    func check(_ row: GrantRow, isReplay: Bool, _ scope: ScopeSet?) throws {
        let expected = isReplay ? row.generation : row.generation &+ 1
        guard row.id == grant, row.client == client, row.owner == owner, expected == generation,
            isReplay == self.isReplay, scope == self.scope
        else { throw Self.outdated }
    }

    static let outdated = VaultError(
        .busy, "Another request for the same grant was committed first.", remedy: "Send the request again.")
}

extension Vault {
    /// What ``exchange(_:prepared:)`` would give now, read without the writer.
    ///
    /// - Parameter name: nil unless the access token's scope has this name; costs nothing more than the row then.
    /// - Returns: nil also where the exchange would be refused as things stand, or decided otherwise.
    package func prepareExchange(
        _ request: ExchangeRequest, ifScopeContains name: String? = nil
    ) async throws -> PreparedExchange? {
        let tokenKind: TokenKind = request.kind == .authorizationCode ? .authorizationCode : .refreshToken
        guard let handle = try await openHandle(request.credential, as: tokenKind) else { return nil }
        return try await snapshot { [registry, clock] database, keys in
            let keyring = keys.keyring
            let revision = try keys.checkedRevision(database)
            guard let row = try database.load(GrantRow.self, handle.grant.rawValue, keyring)?.row,
                row.client == request.client, row.status == .live,
                let owner = try registry.owner(row.owner, database, keyring, revision: revision)
            else { return nil }
            // A code is never answered twice.
            let (isCurrent, distance) = (
                handle.generation == row.generation, Int64(row.generation) - Int64(handle.generation)
            )
            let mayBeOlder = request.kind == .refreshToken && request.rotation != .strict
            guard isCurrent || distance == 1 && handle.generation > 0 || distance > 1 && mayBeOlder else {
                return nil
            }
            let isReplay =
                !isCurrent && (!mayBeOlder || row.access.map { clock.now() < $0.expiresAt } ?? false)
            let proof = try HandleProof(handle, familyTag: row.familyTag, tagKeyID: row.tagKeyID, keyring)
            let tag = isCurrent ? row.credentialTag : row.previousCredentialTag
            guard proof.isFamilyProven, distance > 1 || proof.isToken(request.credential, tag) else {
                return nil
            }
            let asked = request.scope.flatMap { $0.isEmpty ? nil : $0 }
            guard let scope = isReplay ? row.access?.scope : asked ?? row.scope,
                name.map(scope.names.contains) ?? true, !isReplay || row.pair != nil
            else { return nil }
            let pair = try PreparedPair(
                after: isReplay || isCurrent ? handle : handle.moved(to: row.generation), request.lifetimes,
                at: clock.now(), grantEnds: row.absoluteExpiresAt, keyring)
            return PreparedExchange(
                grant: row.id, generation: isReplay ? row.generation : row.generation &+ 1,
                client: row.client, owner: row.owner,
                kind: row.kind, scope: scope, context: try row.unsealedContext(owner, keyring),
                accessToken: isReplay ? try row.unsealedPair(owner, keyring).accessToken : pair.accessToken,
                isReplay: isReplay, handle: handle, pair: pair)
        }
    }

    /// Runs an exchange whose answer needs slow work of the caller's, such as a signature, before it is committed.
    ///
    /// - Parameters:
    ///   - name: the work is wanted for access tokens whose scope has this name.
    ///   - work: may be done again when another request for the same grant was faster.
    /// - Returns: the outcome, and the result of the work where it was wanted and tokens were given.
    package func exchange<Work: Sendable>(
        _ request: ExchangeRequest, ifScopeContains name: String,
        preparing work: (PreparedExchange) async throws -> Work
    ) async throws -> (ExchangeResult, Work?) {
        var attempt = 1
        while true {
            guard let prepared = try await prepareExchange(request, ifScopeContains: name) else {
                return (try await exchange(request), nil)
            }
            let done = try await work(prepared)
            do {
                return (try await exchange(request, prepared: prepared), done)
            } catch let error as VaultError where error.code == .busy && attempt < 3 {
                // Busy for another reason than haste: what is prepared again is the same, and so is the answer.
                let now = try await prepareExchange(request, ifScopeContains: name)
                guard now?.isReplay != prepared.isReplay else { throw error }
                attempt += 1
            }
        }
    }
}
