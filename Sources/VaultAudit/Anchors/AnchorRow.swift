import Foundation
package import TokenVault
import VaultCore
import VaultStore

/// One row of `anchors`: a place outside the file that gets new checkpoints.
struct AnchorRow: Sendable {
    let id: Int64
    let kind: AnchorKind
    /// The path of the file or program, or the URL of the witness.
    let target: String
    /// Where the vault was when the anchor was added: a copy elsewhere publishes nothing.
    var vaultPath: String
    /// Verifier key of a witness.
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
        kind = try columns.kind()
        target = try columns.text()
        guard
            let parameters = try? JSONDecoder().decode(Parameters.self, from: Data(try columns.text().utf8))
        else { throw Self.unknown(row.id) }
        vaultPath = parameters.vault
        witnessKey = parameters.key
        keptAt = parameters.keep
        createdAt = try columns.instant()
        guard try columns.kind(KeyRole.self) == role else { throw Self.unknown(row.id) }
    }

    var columns: [SQLValue] {
        [
            .text(kind.rawValue), .text(target), .text(parameters), SQLValue(createdAt),
            .integer(role.rawValue),
        ]
    }

    /// A program is run by every process that tells it, so one that holds another role's keys must not be able to name it.
    private var role: KeyRole { kind == .exec ? .custody : .common }

    private var parameters: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let data = try? encoder.encode(Parameters(vault: vaultPath, key: witnessKey, keep: keptAt))
        return String(decoding: data ?? Data(), as: UTF8.self)
    }

    private static func unknown(_ id: Int64) -> VaultError {
        VaultError(
            .integrity, "Anchor \(id) is of a kind that this version does not know.",
            remedy: "If a newer TokenVault added it, use that version.")
    }
}

extension WriteTransaction {
    /// Of a vault that was moved: what told its anchors goes on from there.
    package func moveAnchors(from old: String, to new: String) throws {
        for var row in try query(AnchorRow.self) where row.vaultPath == old {
            row.vaultPath = new
            try update(row)
        }
    }
}
