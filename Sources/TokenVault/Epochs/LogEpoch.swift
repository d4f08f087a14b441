import MerkleLog
import Synchronization
import VaultCore
import VaultCrypto

/// A key that signs the log's head beside the vault's own, and was never written anywhere.
///
/// The vault's key signs for as long as the vault lives, so whoever steals it could sign another past. This one is drawn
/// by a process that serves, announced by an entry that the vault's key signs, and gone after an hour: its last
/// signature, over all entries so far and the key that follows, is kept in the entry that announces that. Nobody can
/// make it anew.
struct LogEpoch: Sendable {
    /// Of its row in `log_epochs`.
    let id: Int64
    /// Named as the log is.
    let signer: NoteSigner
}

/// The epoch this process is in, set by the writer's thread: none in one that does not serve.
final class LogEpochs: Sendable {
    private let state = Mutex(LogEpoch?.none)

    var current: LogEpoch? {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}

/// What the last signature of a key is over: a text of its own, so that no line of a checkpoint passes for it.
enum EpochSeal {
    /// - Parameter next: the key announced along with it, as C2SP vkey; nil: the service ends.
    static func text(over checkpoint: Checkpoint, next: String?) -> String {
        "tokenvault epoch seal\n\(checkpoint.body)\(next ?? "end")\n"
    }
}

/// One row of `log_epochs`: a key that may be signing now. The row goes when the epoch ends; its entries
/// stay.
struct LogEpochRow: Sendable {
    let id: Int64
    /// 32 octets, Ed25519.
    let publicKey: [UInt8]
    /// The entry that announces it.
    let firstLeaf: Int64
}

extension LogEpochRow: TypedRow {
    static let layout = TableLayout.logEpochs

    /// The only state there is: rows of ended epochs are deleted.
    private static let signing: Int64 = 1

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        publicKey = try columns.blob()
        firstLeaf = try columns.integer()
        guard try columns.integer() == Self.signing else { throw VaultRow.damaged }
    }

    var rowID: Int64 { id }
    var columns: [SQLValue] { [.blob(publicKey), .integer(firstLeaf), .integer(Self.signing)] }
}
