import ArgumentParser
import ProviderHTTP
import TokenKeeper
import VaultCore

/// Calls the provider's API once, to see whether a token works.
struct ConnectionProbeCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "probe", abstract: "Call an API once with a connection's token and show the status.",
        discussion: """
            Sends one GET with the token, and shows only the status of the answer; redirects are not followed. \
            Ends with 0 for 2xx, 4 for 401 and 403, and 11 for any other status. The token is sent to the URL \
            you give: give one of this provider.

            Example:
              tokenvault connection probe mine/alice --url https://api.example/v3/user
            """)

    @OptionGroup var connection: ConnectionArgument
    @Option(help: "The URL to call.")
    var url: String
    @OptionGroup var network: NetworkArguments
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        if let fault = EndpointURL.fault(of: url) {
            throw VaultError(.invalidInput, "The URL \(fault).", remedy: "Tokens go to https://host/path.")
        }
        let (shown, status) = try await network.withTransport { transport in
            let (number, token) = try await location.withKeeper(over: transport) { keeper in
                let found = try await connection.find(keeper)
                return (found.id.rawValue, try await keeper.token(for: found))
            }
            do throws(TransportFailure) {
                let reply = try await transport.send(token.request(url))
                let shown = Shown(
                    [
                        .json("connection", number), .json("generation", token.generation),
                        .json("status", reply.status), .json("url", url),
                    ], lines: ["HTTP \(reply.status)"])
                return (shown, reply.status)
            } catch {
                throw VaultError(
                    .unavailable, "The API does not answer: \(error.reason(at: url)).",
                    remedy: "Check --url and the network.")
            }
        }
        try output.show(shown)
        switch status {
        case 200..<300: return
        case 401, 403: throw ExitStatus.denied
        default: throw ExitStatus.partial
        }
    }
}

extension HeldAccessToken {
    /// The token in the one place that the provider reads.
    fileprivate func request(_ url: String) -> ProviderRequest {
        var request = ProviderRequest(.api, .get, url)
        switch placement {
        case .header(let scheme):
            let value = token.withExposed { Array((scheme.isEmpty ? "" : scheme + " ").utf8) + $0 }
            request.headers = [("Authorization", SecretBytes(value))]
        case .query(let parameter):
            let pair = (name: parameter, value: token.text)
            request.query = SecretBytes(copying: FormCoding.encode([pair]))
        }
        return request
    }
}
