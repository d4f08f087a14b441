import ArgumentParser
import TokenKeeper
import TokenVault
import VaultCore

/// Checks a provider without spending anything.
struct ProviderTestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Check a provider's entry, its endpoints, and what discovery says; no token is spent.",
        discussion: """
            Each endpoint is asked once by a bare GET, which no endpoint acts on: any status shows that it is there. \
            Our client's credentials are not shown to be right by that; --client-credentials asks for a token of our \
            own with them, where the provider gives such, and throws it away.

            Ends with 0 when every finding is good, 11 when some are not, 9 when no endpoint answers.

            Examples:
              tokenvault provider test quantimodo
              tokenvault provider test quantimodo --client-credentials --json
            """)

    @OptionGroup var provider: ProviderArgument
    @Flag(name: .customLong("client-credentials"), help: "Try our client's credentials, too.")
    var triesCredentials = false
    @OptionGroup var network: NetworkArguments
    @OptionGroup var session: VaultSession

    func run() async throws {
        let findings = try await network.withTransport { transport in
            try await session.location.withKeeper(over: transport) { keeper in
                let known = try keeper.knownProvider(named: provider.name)
                let check = ProviderCheck(keeper, known, transport)
                return try await check.findings(triesCredentials: triesCredentials)
            }
        }
        try session.output.show(findings.map(\.shown), under: ["CHECK", "OK", "FINDING"])
        let answers = findings.filter(\.isReachability)
        if !answers.isEmpty, answers.allSatisfy({ !$0.ok }) { throw ExitStatus.unavailable }
        if findings.contains(where: { !$0.ok }) { throw ExitStatus.partial }
    }
}

/// One thing that was looked at.
private struct CheckFinding {
    let check: String
    let ok: Bool
    let finding: String
    let isReachability: Bool

    init(_ check: String, ok: Bool, _ finding: String, isReachability: Bool = false) {
        self.check = check
        self.ok = ok
        self.finding = finding
        self.isReachability = isReachability
    }

    /// `{"check":"token","finding":"answers with HTTP 405","ok":true}`
    var shown: Shown {
        Shown(
            [.json("check", check), .json("finding", finding), .json("ok", ok)],
            cells: [check, ok ? "yes" : "NO", finding])
    }
}

/// What can be found out about a provider without a grant.
private struct ProviderCheck {
    private let keeper: TokenKeeper
    private let known: KnownProvider
    private let transport: any ProviderTransport

    init(_ keeper: TokenKeeper, _ known: KnownProvider, _ transport: any ProviderTransport) {
        self.keeper = keeper
        self.known = known
        self.transport = transport
    }

    func findings(triesCredentials: Bool) async throws -> [CheckFinding] {
        let entry = known.provider
        // What is kept was read by this version, or we would not be here.
        var findings = [
            CheckFinding("entry", ok: true, entry.isVerified ? "read" : "read; not every fact is verified"),
            CheckFinding(
                "state", ok: !known.isStopped,
                known.isStopped
                    ? "stopped: it refused our client; see 'tokenvault provider resume'" : "active"),
        ]
        let endpoints = entry.endpoints.named.filter { $0.name != "issuer" }
        for (name, url) in endpoints { findings.append(await reachability(name, url)) }
        if let issuer = entry.endpoints.issuer { findings.append(await discovery(issuer)) }
        if triesCredentials { findings.append(await credentials()) }
        return findings
    }

    private func reachability(_ name: String, _ url: String) async -> CheckFinding {
        do throws(TransportFailure) {
            let reply = try await transport.send(
                ProviderRequest(.discovery, .get, url, timeout: .seconds(10)))
            let isThere = reply.status != 404 && reply.status != 410 && reply.status < 500
            return CheckFinding(
                name, ok: isThere, "answers with HTTP \(reply.status)", isReachability: true)
        } catch {
            return CheckFinding(
                name, ok: false, "no answer: \(error.reason(at: url))", isReachability: true)
        }
    }

    private func discovery(_ issuer: String) async -> CheckFinding {
        do throws(VaultError) {
            let document = try await DiscoveryDocument.fetch(issuer, over: transport)
            let isSame = document.endpoints.token == known.provider.endpoints.token
            return CheckFinding(
                "discovery", ok: isSame,
                isSame
                    ? "names the same token endpoint"
                    : "names another token endpoint; see 'tokenvault provider add --replace'")
        } catch {
            return CheckFinding("discovery", ok: false, error.message)
        }
    }

    private func credentials() async -> CheckFinding {
        let request = known.dialect.clientCredentials(scope: known.defaultScope)
        switch await keeper.ask(known, request, sent: nil) {
        case .reply(.granted, _):
            return CheckFinding("client", ok: true, "accepted; the token was thrown away")
        case .reply(.refused(let refusal), _) where refusal.code == "invalid_client":
            return CheckFinding("client", ok: false, refusal.diagnostic)
        case .reply(.refused(let refusal), _):
            // Whoever says that the client may not do this knows the client.
            return CheckFinding("client", ok: true, "not refused, but no token either: \(refusal.diagnostic)")
        case .reply(.unreadable(let text), _), .reply(.busy(_, let text), _), .reply(.ambiguous(let text), _):
            return CheckFinding("client", ok: false, text)
        case .failure(let failure):
            return CheckFinding("client", ok: false, "no answer: \(failure.reason(at: request.url))")
        }
    }
}
