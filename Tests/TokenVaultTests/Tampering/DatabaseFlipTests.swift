import Foundation
import TestSupport
import Testing
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto

@Suite(.bounded) struct `One bit turned in a vault is found, or every row still reads unchanged` {
    /// How a flip came out.
    private enum Verdict: Hashable {
        /// By somebody with the public key alone.
        case found
        case foundWithKeys
        case unchanged
        /// Rows differ, or SQLite refuses to read them, in tables that decide nothing alone: no leaf and no tag covers these.
        case upkeep([String])
        case unnoticed([String])
        /// Of the WAL: what was committed until some moment before.
        case older
        case noError(String)
    }

    /// docs/schema.md: "upkeep", what is reserved and not read, and when a migration was applied.
    private static let upkeep: Set = [
        "schema_migrations", "sign_in_sessions", "used_assertions", "webhook_cursors",
        "anchor_progress",
        "jobs",
        "sqlite_sequence", "sqlite_stat1",
    ]

    /// - Returns: nil where nothing was found.
    private static func search(_ search: () async throws -> AuditReport) async -> Verdict? {
        do { return try await search().isIntact ? nil : .found } catch is VaultError { return .found } catch {
            return .noError("\(error)")
        }
    }

    @Test(.ofFiles) func `bits of the database`() async throws {
        let specimen = try await Specimen(keepsWAL: false)
        let bench = try Workbench()
        try bench.lay(specimen.database)
        let rows = try PlainSQLite.dump(bench.path)
        #expect(try await VaultLog.verify(at: bench.path, verifierKey: specimen.vkey).isIntact)

        @Sendable func judge(_ bench: Workbench, _ bit: Int) async throws -> Verdict {
            let flipped = specimen.database.flipped(bit)
            try bench.lay(flipped)
            let path = bench.path
            let quick = await Self.search { try await VaultLog.verify(at: path, verifierKey: specimen.vkey) }
            if let quick { return quick }
            let now = try? PlainSQLite.dump(path)
            if now == rows { return .unchanged }
            let withKeys = await Self.search {
                let vault = try await Vault.open(
                    at: path, unlockedBy: .keyFile(path: specimen.test.keyFile),
                    configuration: VaultConfiguration(clock: specimen.test.clock))
                do {
                    let report = try await vault.log.verify()
                    await vault.close()
                    return report
                } catch {
                    await vault.close()
                    throw error
                }
            }
            if let withKeys { return withKeys == .found ? .foundWithKeys : withKeys }
            let changed = Set(rows.keys).union((now ?? [:]).keys).filter { rows[$0] != now?[$0] }.sorted()
            return now != nil && Self.upkeep.isSuperset(of: changed)
                ? .upkeep(changed)
                : .unnoticed(changed + ["bit \(bit)", Hex.encode(specimen.database.around(bit))])
        }
        // Much of a small file is empty: most flips go where something is written.
        let content = specimen.database.indices.filter { specimen.database[$0] != 0 }
        var bits = specimen.database.bits(Effort.rounds(250, nightly: 1500), seed: 0x7A1)
        bits += content.bits(Effort.rounds(750, nightly: 4500), seed: 0x7A5).map {
            content[$0 / 8] * 8 + $0 % 8
        }
        let verdicts = try await verdicts(bits.shuffled(seed: 0x7A6), judge)
        Self.report("database, \(specimen.database.count) bytes", verdicts)
        expectNone(verdicts)
        #expect(verdicts.contains(.found) && verdicts.contains(.unchanged))
    }

    @Test(.ofFiles) func `bits of the WAL: what is lost is lost from the end on`() async throws {
        let specimen = try await Specimen(keepsWAL: true)
        let bench = try Workbench()
        var states: [[String: [UInt8]]] = []
        for end in [0] + Self.commits(specimen.wal) {
            try bench.lay(specimen.database, wal: Array(specimen.wal.prefix(end)))
            states.append(try PlainSQLite.dump(bench.path))
        }
        let newest = try #require(states.last)
        #expect(states.count > 8)
        let known = states
        @Sendable func judge(_ bench: Workbench, _ bit: Int) async throws -> Verdict {
            try bench.lay(specimen.database, wal: specimen.wal.flipped(bit))
            let path = bench.path
            guard let now = try? PlainSQLite.dump(path) else { return .found }
            if bit.isMultiple(of: 8) {
                // What is left is a whole vault: verification has nothing against it.
                let search = await Self.search {
                    try await VaultLog.verify(at: path, verifierKey: specimen.vkey)
                }
                if let search, case .noError = search { return search }
                if search == .found { return .unnoticed(["a cut log is not one of its beginnings"]) }
            }
            if now == newest { return .unchanged }
            return known.contains(now) ? .older : .unnoticed([])
        }
        let verdicts = try await verdicts(
            specimen.wal.bits(Effort.rounds(1000, nightly: 5000), seed: 0x7A2), judge)
        Self.report("WAL, \(specimen.wal.count) bytes, \(states.count) states", verdicts)
        expectNone(verdicts)
        #expect(verdicts.contains(.older))
    }

    @Test(.ofFiles) func `a WAL that lost frames is found by a checkpoint kept elsewhere`() async throws {
        let specimen = try await Specimen(keepsWAL: true)
        let checkpoint = try await specimen.test.vault.log.checkpoint()
        let bench = try Workbench()
        let last = try #require(Self.commits(specimen.wal).dropLast().last)
        try bench.lay(specimen.database, wal: specimen.wal.flipped(last * 8 + 8 * 100))
        let report = try await VaultLog.verify(at: bench.path, verifierKey: specimen.vkey, since: checkpoint)
        #expect(report.places == ["head"])
    }

    private func expectNone(_ verdicts: [Verdict]) {
        for verdict in Set(verdicts) {
            switch verdict {
            case .unnoticed, .noError: Issue.record("\(verdict)")
            default: break
            }
        }
    }

    /// Where each transaction of a WAL ends, in bytes.
    private static func commits(_ wal: [UInt8]) -> [Int] {
        func number(_ place: Int) -> Int { wal[place..<place + 4].reduce(0) { $0 << 8 | Int($1) } }
        let width = 24 + number(8)
        return stride(from: 32, to: wal.count - width + 1, by: width)
            .filter { number($0 + 4) != 0 && Array(wal[$0 + 8..<$0 + 16]) == Array(wal[16..<24]) }
            .map { $0 + width }
    }

    private static func report(_ what: String, _ verdicts: [Verdict]) {
        let counts = Dictionary(grouping: verdicts) { $0 }.mapValues(\.count)
        print(what, counts.sorted { $0.value > $1.value }.map { "\($0.key): \($0.value)" })
    }
}
