import ArgumentParser
import OpenIDConnect
import TokenVault
import VaultCrypto
import VaultCustody

enum RotatedKey: String, ExpressibleByArgument, CaseIterable {
    case root, issuer, keeper, custody, handles, tags, lookup, rows, log, signing
}

struct KeyRotateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Replace keys while services run.",
        discussion: """
            The keys: root (wraps all others, and rewraps them), issuer, keeper and custody (opened by a keyslot \
            for that role: remove a disclosed slot first), handles (seals tokens), tags (recognises tokens and \
            client secrets), lookup (finds names), rows (tags rows), log (signs the audit log), signing (signs \
            id_tokens).

            Services go on meanwhile and load the new keys by themselves. After an interruption, run the same \
            command again. An old key is destroyed only after everything was proved to open without it.

            Use --deep after a disclosure of keys, or when a person who knew the key of a keyslot leaves. It \
            replaces every key, remakes the keyslots from their sources and reseals every record. Disclosed \
            tokens stay valid: revoke their grants too. Restart services that were opened with a passphrase.

            Examples:
              tokenvault key rotate root
              tokenvault key rotate log --json
              tokenvault key rotate --deep --dry-run
              tokenvault key rotate --deep --also-key-file /media/safe/second.key
            """)

    @Argument(help: "The key to rotate.")
    var key: RotatedKey?
    @Flag(help: "Replace every key, and reseal every record.")
    var deep = false
    @Option(
        name: .customLong("also-key-file"),
        help: ArgumentHelp(
            "The key file of another keyslot, for --deep. May be repeated.", valueName: "path"),
        completion: .file())
    var otherKeyFiles: [String] = []
    @Flag(
        name: .customLong("dry-run"), help: "Show what would be done, and try every keyslot; change nothing.")
    var isRehearsal = false
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard (key == nil) == deep else {
            throw ValidationError("Name one key to rotate (root, handles, …), or give --deep.")
        }
        guard deep || otherKeyFiles.isEmpty else {
            throw ValidationError("--also-key-file belongs to --deep.")
        }
    }

    func run() async throws {
        let progress = ShareProgress("rotating", isJSON: output.isJSON)
        defer { progress.end() }
        let source = try location.key.source()
        let done = try await location.withVault(unlockedBy: source) { vault -> Shown? in
            guard !isRehearsal else {
                try await rehearse(vault, source)
                return nil
            }
            return try await rotate(vault, source, progress)
        }
        progress.end()
        guard let done else { return }
        try output.show(done)
        if deep { output.note("Grants stay valid: revoke them too if tokens were disclosed.") }
    }

    private func rehearse(_ vault: Vault, _ source: KeySource) async throws {
        let plan: KeyRotationPlan
        switch key {
        case nil:
            plan = try await vault.keys.planDeepRotation(
                openedBy: source, others: otherKeyFiles.map { .keyFile(path: $0) })
        case .root, .issuer, .keeper, .custody:
            plan = try await vault.keys.planRootRotation(openedBy: source, of: roles)
        case .signing: return try output.show(Shown(rotates: "signing", nil))
        case .some(let key):
            guard let kind = SystemKeyKind(rawValue: key.rawValue) else { throw Self.unknownKey }
            plan = try await vault.keys.planRotation(kind)
        }
        try output.show(Shown(rotates: plan.kind, plan))
        if let refusal = plan.refusal { throw refusal }
    }

    /// What gets new keys, where the key is not one of the vault's own.
    private var roles: VaultRoles { key.flatMap { VaultRoles(rawValue: $0.rawValue) } ?? .everything }

    private static let unknownKey = VaultError(.internalError, "A key that can be named cannot be rotated.")

    private func rotate(
        _ vault: Vault, _ source: KeySource, _ progress: ShareProgress
    ) async throws -> Shown {
        let observer: KeyRotationObserver = {
            progress.report($0.total > 0 ? Double($0.done) / Double($0.total) : 1, of: $0.phase)
        }
        guard let key else {
            return Shown(
                try await vault.keys.rotateDeeply(
                    openedBy: source, others: otherKeyFiles.map { .keyFile(path: $0) }, progress: observer))
        }
        switch key {
        case .root, .issuer, .keeper, .custody:
            return Shown(try await vault.keys.rotateRole(roles, progress: observer))
        case .signing:
            let keys = VaultSigningKeys(vault)
            let algorithms = try await keys.algorithms()
            for algorithm in algorithms.isEmpty ? [.rs256] : algorithms {
                _ = try await keys.rotate(algorithm)
            }
            return Shown(rotated: "signing", nil)
        case .handles, .tags, .lookup, .rows, .log:
            guard let kind = SystemKeyKind(rawValue: key.rawValue) else { throw Self.unknownKey }
            return Shown(try await vault.keys.rotate(kind, progress: observer))
        }
    }
}

extension Shown {
    /// A rotation: `{"epoch":2,"resumed":false,"rewritten":1203,"rotated":"root"}`.
    fileprivate init(_ report: KeyRotationReport) { self.init(rotated: report.kind, report) }

    /// - Parameter report: nil for keys that wrap nothing.
    fileprivate init(rotated: String, _ report: KeyRotationReport?) {
        let (isResumed, rewritten) = (report?.isResumed ?? false, report?.rewritten ?? 0)
        self.init([
            .json("rotated", rotated), .json("resumed", isResumed), .json("rewritten", rewritten),
            .json("epoch", report?.epoch),
            .text("rotated", rotated + (isResumed ? " (taken up where it was interrupted)" : "")),
            .text("root_key_epoch", report.map { "\($0.epoch)" }),
            .text("rewritten", rewritten > 0 ? "\(rewritten)" : nil),
        ])
    }

    /// What a rotation would do: `{"dry_run":true,"estimated_seconds":2,"owners":41,"records":0,"resumes":false,
    /// "rotates":"root","slots":[{"kind":"key-file","name":"first","reach":"held"}]}`.
    ///
    /// - Parameter plan: nil for one that writes nothing again.
    fileprivate init(rotates: String, _ plan: KeyRotationPlan?) {
        let (owners, records) = (plan?.owners ?? 0, plan?.records ?? 0)
        let (isResuming, seconds) = (plan?.isResuming ?? false, plan?.estimatedSeconds ?? 1)
        let slots = plan?.slots ?? []
        self.init(
            [
                .json("dry_run", true), .json("rotates", rotates), .json("resumes", isResuming),
                .json("owners", owners), .json("records", records), .json("slots", slots),
                .json("estimated_seconds", seconds),
                .text("would_rotate", rotates + (isResuming ? " (taking up an interrupted rotation)" : "")),
                .text("owner_keys", owners > 0 ? "\(owners)" : nil),
                .text("records", records > 0 ? "\(records)" : nil),
            ] + slots.map { .text("slot", "\($0.name) (\($0.kind)): \($0.reach.sentence)") }
                + [.text("takes_about", "\(seconds) s when idle")])
    }
}

extension KeyRotationPlan.Reach {
    fileprivate var sentence: String {
        switch self {
        case .held: "reached by its held key"
        case .publicKey: "resealed to its public key"
        case .given: "remade from its source"
        case .missing: "NOT reached: its key is needed"
        }
    }
}
