import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultCore
import VaultCrypto

/// Where the vault of a test is that several processes use.
enum Ground: Sendable {
    case file
    /// For processes that know nothing of each other but what the server tells: they could be on two machines.
    case postgres
}

/// A vault that holds connections to a scripted provider on loopback, for worker processes to refresh.
final class KeeperRig: Sendable {
    private let rig: Rig
    private let cluster: PostgresCluster?
    let place: VaultPlace
    let server: ScriptedServer
    let connections: [ConnectionID]

    var provider: ScriptedProvider { server.provider }

    /// - Parameters:
    ///   - own: a server; nil: the one that all tests share.
    ///   - count: of connections, each with an access token that is over.
    init(
        _ policy: Provider.ReplayPolicy, on ground: Ground, in own: PostgresCluster? = nil,
        connections count: Int
    ) async throws {
        var entry = Provider(
            name: "scripted", title: "Scripted", endpoints: .init(token: "https://provider.example/token"))
        entry.refresh.replay = policy
        let provider = ScriptedProvider(entry, seed: 1)
        rig = try Rig()
        cluster = ground == .postgres ? try own ?? PostgresCluster.shared.get() : nil
        place = try cluster.map { .postgres(service: try $0.makeDatabase()) } ?? .file(rig.path)
        server = try await ScriptedServer.start(provider)
        let vault = try await Vault.create(
            at: place, unlockedBy: .keyFile(path: rig.keyFile), isSingle: true)
        let owner = try await vault.users.add("alice").id
        let options = ScriptedOptions(entry)
        var new = NewProvider(
            "scripted", yaml: Self.yaml(policy), clientID: options.clientID,
            clientSecret: SecretBytes(copying: options.clientSecret))
        new.endpoints = server.entry.endpoints
        let keeper = TokenKeeper(vault: vault, transport: ScriptedTransport(provider))
        try await keeper.addProvider(new)
        var connections: [ConnectionID] = []
        for number in 0..<count {
            let granted = provider.grant(scope: ["read"])
            var imported = ImportedTokens(
                accessToken: SecretBytes(copying: granted.accessToken),
                refreshToken: granted.refreshToken.map { SecretBytes(copying: $0) })
            imported.accessExpiresAt = SystemClock().now()
            connections.append(
                try await keeper.import(imported, provider: "scripted", user: owner, label: "\(number)").id)
        }
        self.connections = connections
        await vault.close()
    }

    deinit { if case .postgres(let service) = place { cluster?.giveBack(service) } }

    func open() async throws -> Vault {
        try await Vault.open(at: place, unlockedBy: .keyFile(path: rig.keyFile))
    }

    /// - Parameters:
    ///   - stop: where it says `held` and waits.
    ///   - seconds: that a call to a provider may take.
    func worker(holdingAt stop: String = "nowhere", callsWithin seconds: Int = 30) throws -> ChildProcess {
        try ChildProcess(
            [Self.executable, "\(place)", rig.keyFile, stop, "\(seconds)"],
            environment: cluster == nil ? [:] : ["PGSERVICEFILE": PostgresCluster.servicesFile])
    }

    private static func yaml(_ policy: Provider.ReplayPolicy) -> String {
        """
        name: scripted
        title: Scripted
        endpoints:
          token: https://provider.example/token
        refresh:
          replay: \(policy.word)
        """
    }

    /// Beside the test bundle.
    private static let executable: String = {
        let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (bundle as NSString).deletingLastPathComponent + "/keeper-worker"
    }()
}

extension Provider.ReplayPolicy {
    /// As an entry spells it; spans as `10m`.
    var word: String {
        func spelled(_ span: Duration) -> String { "\(span.components.seconds / 60)m" }
        return switch self {
        case .tolerated: "tolerated"
        case .within(let window): "within " + spelled(window)
        case .untilFirstUse(let window): "until_first_use" + (window.map { " " + spelled($0) } ?? "")
        case .rejected: "rejected"
        case .revokes: "revokes"
        }
    }
}
