public import VaultCore
import VaultStore

/// The kind of an anchor.
public enum AnchorKind: String, Sendable, CaseIterable {
    /// A file, best on another file system: holds the newest checkpoint, and is compared when the vault is opened.
    case file
    /// A program of the operator's that reads the checkpoint from its standard input.
    case exec
    /// A C2SP witness, asked by HTTP: it keeps the newest checkpoint that it cosigned, and takes none that does not go
    /// on from it.
    case witness

    /// What is told without a network.
    static let local: Set<AnchorKind> = [.file, .exec]
}

/// A place outside the vault's file that is told of new checkpoints, so that a cut or older file is found.
public struct Anchor: Sendable {
    public let id: Int64
    public let kind: AnchorKind
    /// A path: of the file or the program; a witness's URL.
    public let target: String
    /// The verifier key of a witness.
    public let witnessKey: String?
    /// The file that gets the newest checkpoint a witness cosigned.
    public let keptAt: String?
    public let createdAt: VaultInstant
    /// Entries of the newest checkpoint it took; 0 before the first.
    public let size: Int64
    /// When it took that; nil before the first.
    public let anchoredAt: VaultInstant?
    /// How often in a row it did not take one.
    public let failures: Int64
    /// A word for the last failure: `unreachable`, `denied`, `full`, `hung`, `refused`, `damaged`, `behind`,
    /// `differs`, `foreign`, `moved`, `busy` or `failed`; of witnesses also `unknown`, `untrusted`, `unsigned`, `garbled`,
    /// `tls`, `unavailable`, `pruned` or `unasked`.
    public let trouble: String?
    /// Entries that it was not told of yet.
    public let lag: Int64
}

/// Why an anchor was not told.
struct AnchorTrouble: Error {
    let word: String
    /// What a witness says against this database. It signed nothing, as nothing signs that a file anchor is newer: TLS,
    /// or this machine, vouches for its source.
    let objection: String?

    init(_ word: String, objection: String? = nil) {
        self.word = word
        self.objection = objection
    }

    init(_ error: any Error) {
        if let error = error as? AnchorTrouble {
            self = error
            return
        }
        objection = nil
        switch (error as? VaultError)?.code {
        case .notFound?, .unavailable?: word = "unreachable"
        case .permissionDenied?, .readOnly?: word = "denied"
        case .outOfSpace?: word = "full"
        case .busy?: word = "busy"
        case .denied?: word = "refused"
        case .integrity?: word = "damaged"
        default: word = "failed"
        }
    }
}
