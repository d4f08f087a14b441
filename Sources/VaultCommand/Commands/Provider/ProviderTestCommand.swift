import ArgumentParser
import ProviderHTTP
import TokenKeeper
import VaultCore

/// Checks a provider without spending anything.
struct ProviderTestCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Check a provider's entry, endpoints and discovery; no token is spent.",
        discussion: """
            Sends one bare GET to each endpoint, which changes nothing: any status shows that it is there. This \
            does not test our client's credentials; --client-credentials requests a token of our own with them, \
            if the provider supports that, and discards it.

            Ends with 0 if every finding is good, 11 if some are not, 9 if no endpoint answers.

            Examples:
              tokenvault provider test quantimodo
              tokenvault provider test quantimodo --client-credentials --json
            """)

    @OptionGroup var provider: ProviderArgument
    @Flag(name: .customLong("client-credentials"), help: "Test our client's credentials too.")
    var triesCredentials = false
    @OptionGroup var network: NetworkArguments
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let findings = try await network.withTransport { transport in
            try await location.withKeeper(over: transport) { keeper in
                await self.findings(keeper, try keeper.knownProvider(named: provider.name), transport)
            }
        }
        try output.show(
            findings.map { check, finding, _ in
                Shown(
                    [.json("check", check), .json("finding", finding.words), .json("ok", finding.ok)],
                    cells: [check, finding.ok ? "yes" : "NO", finding.words])
            }, under: ["CHECK", "OK", "FINDING"])
        let answers = findings.filter(\.isReachability)
        if !answers.isEmpty, answers.allSatisfy({ !$0.finding.ok }) { throw ExitStatus.unavailable }
        if findings.contains(where: { !$0.finding.ok }) { throw ExitStatus.partial }
    }

    private typealias Finding = (ok: Bool, words: String)

    /// What can be found out about a provider without a grant: `{"check":"token","finding":"answers with HTTP
    /// 405","ok":true}`.
    private func findings(
        _ keeper: TokenKeeper, _ known: KnownProvider, _ transport: AsyncHTTPTransport
    ) async -> [(check: String, finding: Finding, isReachability: Bool)] {
        let entry = known.provider
        let state = "stopped: it refused our client; see 'tokenvault provider resume'"
        // What is kept was read by this version, or we would not be here.
        var findings: [(check: String, finding: Finding, isReachability: Bool)] = [
            ("entry", (true, entry.isVerified ? "read" : "read; not every fact is verified"), false),
            ("state", (!known.isStopped, known.isStopped ? state : "active"), false),
        ]
        for (name, url) in entry.endpoints.named where name != "issuer" {
            findings.append((name, await Self.reachability(of: url, over: transport), true))
        }
        if let issuer = entry.endpoints.issuer {
            findings.append(("discovery", await Self.discovery(of: issuer, known, over: transport), false))
        }
        if triesCredentials { findings.append(("client", await Self.credentials(keeper, known), false)) }
        return findings
    }

    private static func reachability(of url: String, over transport: AsyncHTTPTransport) async -> Finding {
        do throws(TransportFailure) {
            let request = ProviderRequest(.discovery, .get, url, timeout: .seconds(10))
            let status = try await transport.send(request).status
            return (status != 404 && status != 410 && status < 500, "answers with HTTP \(status)")
        } catch {
            return (false, "no answer: \(error.reason(at: url))")
        }
    }

    private static func discovery(
        of issuer: String, _ known: KnownProvider, over transport: AsyncHTTPTransport
    ) async -> Finding {
        do throws(VaultError) {
            let document = try await DiscoveryDocument.fetch(issuer, over: transport)
            return document.endpoints.token == known.provider.endpoints.token
                ? (true, "names the same token endpoint")
                : (false, "names another token endpoint; see 'tokenvault provider add --replace'")
        } catch {
            return (false, error.message)
        }
    }

    private static func credentials(_ keeper: TokenKeeper, _ known: KnownProvider) async -> Finding {
        let request = known.dialect.clientCredentials(scope: known.defaultScope)
        switch await keeper.ask(known, request, sent: nil) {
        case .reply(.granted, _): return (true, "accepted; the token was thrown away")
        case .reply(.refused(let refusal), _):
            // Anyone who says that the client may not do this knows the client.
            return refusal.code == "invalid_client"
                ? (false, refusal.diagnostic)
                : (true, "not refused, but no token either: \(refusal.diagnostic)")
        case .reply(.unreadable(let text), _), .reply(.busy(_, let text), _), .reply(.ambiguous(let text), _):
            return (false, text)
        case .failure(let failure): return (false, "no answer: \(failure.reason(at: request.url))")
        }
    }
}
