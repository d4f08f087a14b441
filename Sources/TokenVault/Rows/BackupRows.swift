import Foundation
import VaultCore

/// One row of `incarnations`: that the vault was restored, and from where its log goes on.
struct IncarnationRow: Sendable {
    /// Of an ``Incarnation``; the first has no row.
    let id: Int64
    let parentSize: Int64
    let parentRoot: [UInt8]
    let restoredAt: VaultInstant
}

extension BackupRecord: TypedRow {
    static let layout = TableLayout.backups

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        guard let backup = BackupID(bytes: try columns.blob()) else {
            throw VaultError(.integrity, "A backup's identifier has the wrong length.")
        }
        self.backup = backup
        logSize = try columns.integer()
        createdAt = try columns.instant()
        keepUntil = try columns.optionalInstant()
    }

    var columns: [SQLValue] {
        [.blob(backup.bytes), .integer(logSize), SQLValue(createdAt), SQLValue(keepUntil)]
    }
}

extension IncarnationRow: TypedRow {
    static let layout = TableLayout.incarnations

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        parentSize = try columns.integer()
        parentRoot = try columns.blob()
        restoredAt = try columns.instant()
    }

    var columns: [SQLValue] { [.integer(parentSize), .blob(parentRoot), SQLValue(restoredAt)] }
}

/// One row of `anchors`: a place outside the file that is told of new checkpoints.
struct AnchorRow: Sendable {
    let id: Int64
    let kind: AnchorKind
    /// A path: of the file or the program; a witness's URL.
    let target: String
    /// Where the vault was when the anchor was added: a copy elsewhere tells nobody.
    let vaultPath: String
    /// Of a witness: its verifier key, and the file for what it cosigned.
    var witnessKey: String?
    var keptAt: String?
    let createdAt: VaultInstant
}

extension AnchorRow: TypedRow {
    static let layout = TableLayout.anchors

    private struct Parameters: Codable {
        let vault: String
        let key: String?
        let keep: String?
    }

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        guard let kind = AnchorKind(rawValue: try columns.text()) else { throw Self.unknown(row.id) }
        self.kind = kind
        target = try columns.text()
        guard
            let parameters = try? JSONDecoder().decode(Parameters.self, from: Data(try columns.text().utf8))
        else { throw Self.unknown(row.id) }
        vaultPath = parameters.vault
        witnessKey = parameters.key
        keptAt = parameters.keep
        createdAt = try columns.instant()
    }

    var columns: [SQLValue] {
        [.text(kind.rawValue), .text(target), .text(parameters), SQLValue(createdAt)]
    }

    private var parameters: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let data = try? encoder.encode(Parameters(vault: vaultPath, key: witnessKey, keep: keptAt))
        return String(decoding: data ?? Data(), as: UTF8.self)
    }

    private static func unknown(_ id: Int64) -> VaultError {
        VaultError(
            .integrity, "Anchor \(id) is of no kind that this version knows.",
            remedy: "Was it added by a newer tokenvault? Use that version.")
    }
}
