package import VaultCore
public import VaultStore

/// The state of an owner.
public enum OwnerState: Int64, Sendable {
    case active = 1
    case disabled = 2
    case removed = 3
}

/// One row of `owners`: a user, a client, or the system.
package struct OwnerRow: Sendable {
    package let id: OwnerID
    package let kind: OwnerKind
    package var state: OwnerState
    /// Grants issued under a lower count are revoked.
    package var revocations: Int64
    package var lookupTag: [UInt8]?
    /// Sealed under the owner's common key.
    var identity: [UInt8]?
    /// Sealed under the owner's common key; nil once erased.
    package var pseudonym: [UInt8]?
    let createdAt: VaultInstant
    /// What clients are told of a user; sealed under the owner's common key.
    var claims: [UInt8]?
    /// Grants, connections and consents that were ever created for it, and the leaf of the last. They change while the
    /// registry does not: never to be taken from a cache.
    var creations: Int64 = 0
    var lastCreation: Int64?
}

extension OwnerRow: TypedRow {
    package static let layout = TableLayout.owners

    package init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = OwnerID(row.id)
        kind = try columns.kind()
        state = try columns.kind()
        revocations = try columns.integer()
        lookupTag = try columns.optionalBlob()
        identity = try columns.optionalBlob()
        pseudonym = try columns.optionalBlob()
        createdAt = try columns.instant()
        claims = try columns.optionalBlob()
        creations = try columns.integer()
        lastCreation = try columns.optionalInteger()
    }

    package var columns: [SQLValue] {
        [
            .integer(kind.rawValue), .integer(state.rawValue), .integer(revocations), SQLValue(lookupTag),
            SQLValue(identity), SQLValue(pseudonym), SQLValue(createdAt), SQLValue(claims),
            .integer(creations), SQLValue(lastCreation),
        ]
    }
}

/// One row of `clients`: the registration of the owner with the same id.
package struct ClientRow: Sendable {
    package let id: OwnerID
    package var nameTag: [UInt8]?
    /// JSON of ``ClientRegistration``, keys sorted.
    var registration: String
    /// 1: it registered itself; nil: an operator did.
    var selfRegistered: Int64?
    /// The policy for its refresh tokens; nil: strict.
    var rotation: String?

    /// - Parameter isOperators: whether an operator says so; of clients that registered themselves this is kept.
    /// - Throws: where the registration cannot be encoded.
    mutating func register(_ registration: ClientRegistration, isOperators: Bool = false) throws {
        var stored = StoredRegistration(registration)
        stored.isOperators = isOperators && selfRegistered == 1 ? true : nil
        self.registration = try stored.encoded()
        rotation = registration.rotation == .strict ? nil : registration.rotation.description
    }
}

extension ClientRow: TypedRow {
    package static let layout = TableLayout.clients

    package init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = OwnerID(row.id)
        nameTag = try columns.optionalBlob()
        registration = try columns.text()
        selfRegistered = try columns.optionalInteger()
        rotation = try columns.optionalText()
    }

    package var columns: [SQLValue] {
        [SQLValue(nameTag), .text(registration), SQLValue(selfRegistered), SQLValue(rotation)]
    }
}

extension ClientSecretInfo: TypedRow {
    package static let layout = TableLayout.clientSecrets

    package init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        client = OwnerID(try columns.integer())
        generation = try columns.integer()
        tag = try columns.blob()
        tagKeyID = try columns.integer()
        notBefore = try columns.instant()
        notAfter = try columns.optionalInstant()
    }

    package var columns: [SQLValue] {
        [
            .integer(client.rawValue), .integer(generation), .blob(tag), .integer(tagKeyID),
            SQLValue(notBefore),
            SQLValue(notAfter),
        ]
    }
}
