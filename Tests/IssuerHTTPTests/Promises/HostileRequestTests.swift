import Foundation
import IssuerHTTP
import Synchronization
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultStore

@Suite(.bounded) struct `P10: hostile registrations and authorization requests leave the vault as it is` {
    private static let rounds = Effort.rounds(50_000, nightly: 1_000_000)
    private static let tasks = 2

    /// Each endpoint gets as many as there are rounds; a quarter of the registrations has a made-up token or none.
    @Test func `it grows by the counted refusals alone, and an honest client signs in afterwards`()
        async throws
    {
        let place = try Place()
        let honest = Mutex<Stranger?>(nil)
        try await place.serve(isNew: true) { server in
            let stranger = try await server.stranger(["redirect_uris": [HostileRequests.honest]])
            honest.withLock { $0 = stranger }
        }
        let stranger = try #require(honest.withLock { $0 })
        let before = try await place.state()

        let vault = try await place.open()
        let attack = try await Attack(vault, stranger.id)
        let random = SeededGenerator("hostile requests")
        try await attack.run(Self.rounds / 10, as: Self.tasks, random, place.clock)
        let memory = try Self.residentBytes()
        try await attack.run(Self.rounds - Self.rounds / 10, as: Self.tasks, random, place.clock)
        #expect(try Self.residentBytes() - memory < 64 * 1024 * 1024)
        await vault.close()

        let after = try await place.state()
        #expect(attack.surprises == [], "seed \(random.seed)")
        let entries = after.entries.dropFirst(before.entries.count).filter { $0.operation != "vault.open" }
        #expect(entries.allSatisfy { $0.operation == "audit.refusals" || $0.reason == "registration_token" })
        #expect(entries.allSatisfy { $0.outcome == "refused" })
        // Every refusal is counted, in an entry a minute.
        #expect(entries.reduce(0) { $0 + ($1.count ?? 1) } == attack.refusals)
        let minutes = place.clock.now().elapsed(since: Place.start) / Limits.foldedRefusalInterval
        #expect(Double(entries.count) <= minutes + Double(Limits.auditedRefusalsAtOnce) + 1)
        let grown = after.rows.filter { before.rows[$0.key] != $0.value }
        #expect(Set(grown.keys).subtracting(["audit_leaves", "audit_tiles"]).isEmpty, "\(grown)")
        #expect(after.bytes - before.bytes <= 1024 * (entries.count + 64))

        try await place.serve { server in
            let browser = Browser(server)
            try await browser.haveSession()
            let code = try await stranger.allow(browser).answer["code"]
            let tokens = try await stranger.redeem(code, server)
            #expect(tokens.status == 200)
            #expect(try await stranger.refresh(tokens.refreshToken, server).status == 200)
        }
    }

    private static func residentBytes() throws -> Int {
        let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")[1]
        return try #require(Int(pages)) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}

/// Where the vault lies between the times that it is served.
private final class Place: Sendable {
    static let start = VaultInstant(millisecondsSince1970: 1_767_607_200_000)
    let clock = SettableClock(start.millisecondsSince1970)
    private let directory = NSTemporaryDirectory() + "tokenvault-hostile-" + UUID().uuidString
    private var path: String { directory + "/vault" }
    private var key: KeySource { .keyFile(path: directory + "/key") }
    private var configuration: VaultConfiguration { VaultConfiguration(channel: .http, clock: clock) }

    init() throws {
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        try Vault.createKeyFile(at: directory + "/key")
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func open() async throws -> Vault {
        try await Vault.open(at: path, unlockedBy: key, configuration: configuration)
    }

    func serve(isNew: Bool = false, _ body: @Sendable (TestServer) async throws -> Void) async throws {
        let vault =
            isNew
            ? try await Vault.create(at: path, unlockedBy: key, configuration: configuration)
            : try await open()
        try await TestServer.serve(
            vault, directory, clock,
            configure: { configuration, _ in
                configuration.registration = SelfRegistration(scope: ScopeSet(parsing: "basic"))
            }, body)
        #expect(try await vault.log.verify().findings == [])
        await vault.close()
    }

    /// What is in the vault, which nothing has open.
    func state() async throws -> (entries: [AuditEntry], rows: [String: Int64], bytes: Int) {
        let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
        let vault = try await open()
        let rows = try await vault.snapshot { database, _ in
            let tables = try database.rows("SELECT name FROM sqlite_schema WHERE type = 'table'") {
                $0.text(0)
            }
            return Dictionary(
                uniqueKeysWithValues: try tables.map {
                    ($0, try database.count("SELECT count(*) FROM \($0)"))
                })
        }
        let entries = try await vault.log.entries(limit: 1_000_000)
        await vault.close()
        return (entries, rows, try #require(size))
    }
}

/// Sends what strangers send, and keeps what should not have happened.
private final class Attack: Sendable {
    private let routes: RoutesInProcess
    private let guarded: RoutesInProcess
    private let sealed: [String]
    private let honest: String
    private let seen = Mutex<(surprises: Set<String>, refusals: Int64, seeds: UInt64)>(([], 0, 0))

    var surprises: Set<String> { seen.withLock { $0.surprises } }
    var refusals: Int64 { seen.withLock { $0.refusals } }

    init(_ vault: Vault, _ honest: String) async throws {
        func issuer(_ registration: SelfRegistration) -> TokenIssuer {
            TokenIssuer(vault: vault, issuer: "https://id.example", registration: registration)
        }
        var registration = SelfRegistration(scope: ScopeSet(parsing: "basic"))
        routes = RoutesInProcess(issuer(registration))
        registration.initialAccessToken = SecretBytes(copying: "0123456789abcdef")
        guarded = RoutesInProcess(issuer(registration))
        let asked = try AuthorizationRequest(
            query: Array("client_id=\(honest)".utf8), issuer: issuer(registration), requestID: nil)
        sealed = [
            try asked.sealed(by: issuer(registration)).text,
            try vault.sealed([1, 2, 3], purpose: "another", lifetime: .seconds(86400)).text, honest,
        ]
        self.honest = honest
    }

    func run(_ rounds: Int, as tasks: Int, _ random: SeededGenerator, _ clock: SettableClock) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<tasks {
                let seed = seen.withLock { seen in
                    seen.seeds += 1
                    return random.seed &+ seen.seeds
                }
                group.addTask { [self] in
                    var requests = HostileRequests(
                        random: SeededGenerator(seed: seed), sealed: sealed, registered: [honest])
                    for round in 0..<rounds / tasks {
                        try await register(&requests)
                        try await authorize(&requests)
                        if round % 250 == 0 { clock.advance(by: .seconds(1)) }
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    private func register(_ requests: inout HostileRequests) async throws {
        let sent = requests.registration()
        let path = "/oauth2/register"
        if requests.random.below(4) == 0 {
            let token = requests.random.pick([nil, "", "0123456789abcdeg", "tv_at_x"])
            let status = try await guarded.post(path, "application/json", sent.body, bearer: token).status
            seen.withLock { $0.refusals += status == 401 ? 1 : 0 }
            return expect([401, 413].contains(status), "a guarded registration: \(status)")
        }
        let isForm = requests.random.below(20) == 0
        let type = isForm ? "application/x-www-form-urlencoded" : "application/json"
        let reply = try await routes.post(path, type, sent.body)
        let status = reply.status
        if sent.isRegistration, !isForm {
            expect(status == 201, "a proper registration: \(status)")
            requests.registered = [honest, try await Self.clientID(in: reply.body())]
        }
        expect([201, 400, 413].contains(status), "a registration: \(status)")
    }

    private static func clientID(in json: [UInt8]) throws -> String {
        let object = try JSONSerialization.jsonObject(with: Data(json)) as? [String: Any]
        return try #require(object?["client_id"] as? String)
    }

    private func authorize(_ requests: inout HostileRequests) async throws {
        let query = requests.authorization()
        let reply =
            requests.random.below(8) == 0
            ? try await routes.post(
                "/oauth2/authorize", "application/x-www-form-urlencoded", Array(query.utf8))
            : try await routes.get("/oauth2/authorize?" + query)
        expect([200, 303, 400, 413].contains(reply.status), "a request: \(reply.status)")
        // Nobody has signed in: nothing leads away from the server, and nothing is a page of consent.
        let location = reply.location ?? "/"
        expect(location.hasPrefix("/") && !location.hasPrefix("//"), "an address: \(location)")
    }

    private func expect(_ isFine: Bool, _ surprise: @autoclosure () -> String) {
        guard !isFine else { return }
        let surprise = surprise()
        seen.withLock { _ = $0.surprises.insert(surprise) }
    }
}
