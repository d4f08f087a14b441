import ArgumentParser
import OpenIDConnect
import TokenVault
import VaultCore
import VaultCrypto

/// What `key rotate` can replace.
enum RotatedKey: String, ExpressibleByArgument, CaseIterable {
    case root, handles, tags, lookup, rows, log, signing
}

struct KeyRotateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate",
        abstract: "Replace keys while services run.",
        discussion: """
            Which keys there are: root (wraps all others), handles (seals tokens), tags (recognises tokens and client \
            secrets), lookup (finds by name), rows (tags rows), log (signs the audit log), signing (signs id_tokens).

            Services go on meanwhile and pick the new keys up by themselves. What was interrupted, by whatever, is \
            taken up by the same command. An old key is destroyed only after everything was proved to open without it.

            After a disclosure of keys, or when somebody who knew the key of a keyslot leaves: --deep. It replaces every \
            key, makes the keyslots anew from their sources and seals every record anew. Whoever has read tokens can \
            still use them: revoke grants too. Services that were opened with a passphrase have to be started again.

            Examples:
              tokenvault key rotate root
              tokenvault key rotate log --json
              tokenvault key rotate --deep --dry-run
              tokenvault key rotate --deep --also-key-file /media/safe/second.key
            """)

    @Argument(help: "root, handles, tags, lookup, rows, log or signing.")
    var key: RotatedKey?
    @Flag(help: "Replace every key, and seal every record anew.")
    var deep = false
    @Option(
        name: .customLong("also-key-file"),
        help: ArgumentHelp(
            "The key file of another keyslot, for --deep. May be repeated.", valueName: "path"),
        completion: .file())
    var otherKeyFiles: [String] = []
    @Flag(
        name: .customLong("dry-run"), help: "Say what would be done, and try every keyslot; change nothing.")
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
        let progress = RotationProgressLine(isJSON: output.isJSON)
        defer { progress.end() }
        let source = try location.key.source()
        let record = try await location.withVault(unlockedBy: source) { vault -> RotationRecord? in
            guard !isRehearsal else {
                try await rehearse(vault, source)
                return nil
            }
            return try await rotate(vault, source, progress)
        }
        progress.end()
        guard let record else { return }
        try output.show(record)
        if deep { output.note("Grants are as they were: revoke them too if tokens were read.") }
    }

    private func rehearse(_ vault: Vault, _ source: KeySource) async throws {
        let plan: KeyRotationPlan
        switch key {
        case nil:
            plan = try await vault.planDeepRotation(
                openedBy: source, others: otherKeyFiles.map { .keyFile(path: $0) })
        case .root: plan = try await vault.planRootRotation(openedBy: source)
        case .signing: return try output.show(RotationPlanRecord(rotates: "signing"))
        case .some(let key):
            guard let kind = SystemKeyKind(rawValue: key.rawValue) else { throw Self.unknownKey }
            plan = try vault.planSystemKeyRotation(kind)
        }
        try output.show(RotationPlanRecord(plan))
        if let refusal = plan.refusal { throw refusal }
    }

    private static let unknownKey = VaultError(
        .internalError, "A key that can be named cannot be rotated.")

    private func rotate(
        _ vault: Vault, _ source: KeySource, _ progress: RotationProgressLine
    ) async throws -> RotationRecord {
        let observer: KeyRotationObserver = { progress.report($0) }
        guard let key else {
            return RotationRecord(
                try await vault.rotateDeeply(
                    openedBy: source, others: otherKeyFiles.map { .keyFile(path: $0) }, progress: observer))
        }
        switch key {
        case .root: return RotationRecord(try await vault.rotateRootKey(progress: observer))
        case .signing:
            let keys = VaultSigningKeys(vault)
            let algorithms = try await keys.algorithms()
            for algorithm in algorithms.isEmpty ? [.rs256] : algorithms {
                _ = try await keys.rotate(algorithm)
            }
            return RotationRecord(rotated: "signing")
        case .handles, .tags, .lookup, .rows, .log:
            guard let kind = SystemKeyKind(rawValue: key.rawValue) else { throw Self.unknownKey }
            return RotationRecord(try await vault.rotateSystemKey(kind, progress: observer))
        }
    }
}

/// A rotation as printed: `{"epoch":2,"resumed":false,"rewritten":1203,"rotated":"root"}`.
private struct RotationRecord: Record {
    let rotated: String
    /// Of the root key.
    var epoch: Int64?
    /// Keys, records or rows written anew.
    var rewritten: Int64 = 0
    /// What an interrupted run had begun was finished.
    var resumed = false

    init(_ report: KeyRotationReport) {
        rotated = report.kind
        epoch = report.epoch
        rewritten = report.rewritten
        resumed = report.isResumed
    }

    init(rotated: String) { self.rotated = rotated }

    var lines: [String] {
        var pairs = [("rotated", rotated + (resumed ? " (taken up where it was interrupted)" : ""))]
        if let epoch { pairs.append(("root_key_epoch", "\(epoch)")) }
        if rewritten > 0 { pairs.append(("rewritten", "\(rewritten)")) }
        return Table.pairs(pairs)
    }
}
