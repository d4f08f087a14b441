import ArgumentParser
import TokenVault
import VaultCustody

/// Looks at everything, and says what to do.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check files, disk, clock, locks, keys, log and tables, and say what to do.",
        discussion: """
            Works on a vault that does not open, on a copy and without a key, and never asks for a passphrase. \
            Without a key it writes nothing into the vault, leaves no file beside it, and lists the checks that \
            it leaves out. With a key it opens the vault, which adds an entry to the log.

            Exit codes: 0 if there is at most advice, 11 for warnings, 7 or 8 for errors of integrity or \
            storage, else that of the first error.

            Examples:
              tokenvault doctor
              tokenvault doctor --full --json
              env -u TOKENVAULT_KEY_FILE tokenvault doctor --vault copy-of-the-vault
            """)

    @Flag(help: "Check every page of the file, even of a large one.")
    var full = false
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let place = try location.place()
        var checks = await VaultDoctor(place, keyFile: location.key.keyFilePath, isThorough: full).examine()
        checks += await checksWithKeys(after: checks)
        for check in checks { try output.show(Shown(check)) }
        output.note(summary(of: checks))
        let status = ExitStatus(of: checks)
        guard status == .done else { throw status }
    }

    /// `2 warnings, 3 pieces of advice, 21 ok`.
    private func summary(of checks: [DoctorCheck]) -> String {
        func count(_ severity: DoctorCheck.Severity) -> Int { checks.count { $0.severity == severity } }
        let counts = [
            (count(.error), "error", "errors"), (count(.warning), "warning", "warnings"),
            (count(.advice), "piece of advice", "pieces of advice"), (count(.ok), "ok", "ok"),
        ]
        return counts.filter { $0.0 > 0 }.map { "\($0.0) \($0.0 == 1 ? $0.1 : $0.2)" }.joined(separator: ", ")
    }

    /// The checks that need a key of the vault.
    private func checksWithKeys(after checks: [DoctorCheck]) async -> [DoctorCheck] {
        let id = "key.opens"
        let closed = checks.filter { $0.severity == .error && Self.entrances.contains($0.id) }
        let isReadOnly = !closed.isEmpty && closed.allSatisfy { $0.code == .readOnly }
        guard closed.isEmpty || (isReadOnly && location.key.isGiven) else {
            return [
                DoctorCheck.advice(
                    id, "The vault was not opened, because of the errors above.", "Correct them first.")
            ]
        }
        guard location.key.isGiven else {
            return [
                DoctorCheck.advice(
                    id,
                    "Without a key these were left out: whether it opens, the log's signature, the tags of rows.",
                    "Give a key by an option that does not ask you for a passphrase: "
                        + "\(KeyOption.list("or", of: KeyOption.unasked)), or --recovery-file with its passphrase."
                )
            ]
        }
        do {
            let found: [DoctorCheck]
            if isReadOnly, case .file(let path) = try location.place() {
                found = try await Vault.examine(path, unlockedBy: location.key.source())
            } else {
                let vault = try await location.open()
                found = await vault.examine()
                await vault.close()
            }
            return [DoctorCheck.ok(id, "The key that was given opens the vault.")] + found
        } catch { return [DoctorCheck.failed(id, error)] }
    }

    /// Anyone who finds an error here need not try to open the vault.
    private static let entrances: Set = [
        "files.vault", "files.directory", "sqlite.opens", "sqlite.settings", "schema.readable",
        "log.readable", "postgres.opens", "postgres.readable",
    ]
}

extension ExitStatus {
    /// By the gravest: damage, then storage, then the first error, then warnings.
    fileprivate init(of checks: [DoctorCheck]) {
        let errors = checks.filter { $0.severity == .error }.map { ExitStatus($0.code ?? .internalError) }
        let hasWarning = checks.contains { $0.severity == .warning }
        self =
            [ExitStatus.integrity, .storage].first(where: errors.contains) ?? errors.first
            ?? (hasWarning ? .partial : .done)
    }
}

extension Shown {
    /// A check: `{"check":"files.vault","severity":"ok","what":"…"}`, with `remedy` and `error` where there are; for
    /// people one line, and one more for what to do.
    fileprivate init(_ check: DoctorCheck) {
        let word = check.severity.word.padded(to: 9)
        let remedy = check.remedy.isEmpty ? nil : Acts.spelledOut(check.remedy)
        self.init(
            [
                .json("check", check.id), .json("severity", check.severity.word), .json("what", check.what),
                .json("remedy", remedy), .json("error", check.code?.rawValue),
            ],
            lines: [
                (check.severity >= .warning ? Console.strong(word) : word) + check.id.padded(to: 21)
                    + Console.harmless(check.what)
            ] + (remedy.map { ["".padded(to: 30) + "→ " + Console.harmless($0)] } ?? []))
    }
}

extension String {
    /// With spaces behind, at least one of them.
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(1, width - count))
    }
}
