import Foundation
import MerkleLog
import Synchronization
import Testing
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto

/// A witness in this process that does what C2SP tlog-witness asks, until a test has it answer otherwise.
final class ModelWitness: WitnessTransport {
    typealias Script = @Sendable (_ body: String) throws(WitnessTransportFailure) -> WitnessReply?

    struct State {
        var known: [String: NoteKey] = [:]
        var newest: [String: Checkpoint] = [:]
        var requests: [String] = []
        var script: Script?
    }

    static let name = "witness.example/w1"
    let key: NoteKey
    private let signer: SigningKey
    private let state = Mutex(State())

    init() throws {
        signer = SigningKey(seed: .random())
        key = try #require(NoteKey(name: Self.name, kind: .cosignature, publicKey: signer.publicKey))
    }

    var requests: [String] { state.withLock { $0.requests } }
    func newest(_ origin: String) -> Checkpoint? { state.withLock { $0.newest[origin] } }
    func forget() { state.withLock { $0.newest = [:] } }
    func trust(_ vkey: String) throws {
        let key = try #require(NoteKey(vkey: vkey))
        state.withLock { $0.known[key.name] = key }
    }
    /// What the script has no answer for, the witness answers itself.
    func script(_ script: Script?) { state.withLock { $0.script = script } }

    func check(_ url: String) throws(VaultError) {}

    func post(
        _ body: [UInt8], to url: String, within limit: Duration
    ) async throws(WitnessTransportFailure) -> WitnessReply {
        let text = String(decoding: body, as: UTF8.self)
        let script = state.withLock { state in
            state.requests.append(url + "\n" + text)
            return state.script
        }
        if let reply = try script?(text) { return reply }
        return state.withLock { answer(body, &$0) }
    }

    func cosignature(_ body: String, time: UInt64 = 1_790_000_000) -> String {
        let id = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: key.id >> $0) }
        let octets = (0..<8).reversed().map { UInt8(truncatingIfNeeded: time >> ($0 * 8)) }
        let signature = signer.sign(Array("cosignature/v1\ntime \(time)\n\(body)".utf8))
        return "— \(key.name) \(Base64.encode(id + octets + signature))\n"
    }

    private func answer(_ body: [UInt8], _ state: inout State) -> WitnessReply {
        guard let proof = try? ProofText.parse(body), case .consistency(let old) = proof.claim,
            proof.hashes.count <= 63, let note = try? SignedNote.parse(Array(proof.note.utf8)),
            let checkpoint = Checkpoint(parsing: note.text), old <= checkpoint.size
        else { return Self.reply(400) }
        guard let log = state.known[checkpoint.origin] else { return Self.reply(404) }
        guard note.isSigned(by: log) else { return Self.reply(403) }
        let newest = state.newest[checkpoint.origin]
        guard old == newest?.size ?? 0 else { return Self.reply(409, "\(newest?.size ?? 0)\n") }
        let isContinuation =
            newest.map { proof.proves(extensionOf: $0, by: checkpoint) } ?? proof.hashes.isEmpty
        guard isContinuation else { return Self.reply(422) }
        state.newest[checkpoint.origin] = checkpoint
        return Self.reply(200, cosignature(note.text))
    }

    static func reply(_ status: Int, _ body: String = "") -> WitnessReply {
        WitnessReply(status: status, body: Array(body.utf8))
    }
}

/// A log with a witness.
struct Witnessed {
    let test: TestVault
    let party: Party
    let witness: ModelWitness
    let vault: Vault

    init(entries: Int = 10) async throws {
        test = try await TestVault()
        witness = try ModelWitness()
        await test.vault.close()
        vault = try await Self.open(test.path, test, witness)
        party = try await Party(vault)
        try witness.trust(vault.log.verifierKey)
        try await grow(entries)
    }

    static func open(_ path: String, _ test: TestVault, _ witness: ModelWitness?) async throws -> Vault {
        var configuration = VaultConfiguration(clock: test.clock)
        configuration.anchors = LogAnchors(witnesses: witness)
        return try await Vault.open(
            at: path, unlockedBy: .keyFile(path: test.keyFile), configuration: configuration)
    }

    func reopen() async throws -> Vault { try await Self.open(test.path, test, witness) }

    func grow(_ entries: Int) async throws {
        for _ in 0..<entries { _ = try await party.authorize() }
    }

    @discardableResult
    func add(keptAt path: String? = nil) async throws -> Anchor {
        try await vault.anchors.addWitness(at: "https://witness.example", key: witness.key.vkey, keptAt: path)
    }

    /// Asks again, and says what the trouble was.
    func trouble() async throws -> String? {
        try await vault.anchors.publishCheckpoint(isForced: true)
        return try await vault.anchors.list().first?.trouble
    }

    /// The text of the newest checkpoint.
    func body() async throws -> String {
        try await SignedNote.parse(Array(vault.log.checkpoint().utf8)).text
    }

    var origin: String { vault.log.verifierKey.split(separator: "+").first.map(String.init) ?? "" }

    /// While nobody has it open: all of it is in one file.
    func copy(_ from: String, _ to: String) throws {
        try #require(!FileManager.default.fileExists(atPath: from + "-wal"))
        try? FileManager.default.removeItem(atPath: to)
        try FileManager.default.copyItem(atPath: from, toPath: to)
    }
}
